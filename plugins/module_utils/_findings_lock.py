# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `lock` and `leftovers`: no other run has the master port or the GPUs of a host, and none was left on it.

A run that its supervisor watches has locks, and is judged by them alone. What else lives of a run is a leftover.
Private to the collection.
"""

from __future__ import annotations

from typing import Any

from . import _findings_commands, _locks
from ._findings_common import Finding, Host, Launch, Text, error, note, option, skip

SHARE = "--share-hosts (variable share_hosts)"


def _each_host(launch: Launch) -> list[Finding]:
    return [found for host in launch.told for judge in (_lock, _leftovers) for found in judge(launch, host)]


def _shares(launch: Launch) -> bool:
    return bool(launch.plan.get("share_hosts"))


def _is_checked(launch: Launch) -> bool:
    return "lock" not in launch.plan["skip_checks"] and not _shares(launch)


def _held(launch: Launch, host: Host) -> dict[str, list[dict[str, Any]]]:
    """Return the locks that hold on a host, by the other run that has them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for lock in (host.facts or {}).get("locks") or []:
        if lock["alive"] and lock["run_id"] != launch.plan.get("run_id"):
            found.setdefault(lock["run_id"], []).append(lock)
    return found


def _in_conflict(launch: Launch, host: Host) -> dict[str, list[dict[str, Any]]]:
    """Return the locks of other runs that this launch would need too, by run."""
    wanted = _locks.keys(launch.plan, host.facts or {})
    found = {}
    for run_id, held in _held(launch, host).items():
        needed = [lock for lock in held if any(_locks.conflicts(key, lock["key"]) for key in wanted)]
        if needed:
            found[run_id] = needed
    return found


def _lock(launch: Launch, host: Host) -> list[Finding]:
    if not _is_checked(launch):
        return []
    return [
        error("lock", host.name, _taken(launch, run_id, held)) for run_id, held in _in_conflict(launch, host).items()
    ]


def _taken(launch: Launch, run_id: str, held: list[dict[str, Any]]) -> Text:
    lock = held[0]
    model = f" of {lock['model']}" if lock["model"] else ""
    ports = [one["key"][len("port-") :] for one in held if one["key"].startswith("port-")]
    gpus = [] if len(ports) == len(held) else ["the GPUs"]
    has = " and ".join([*(f"the master port {port}" for port in ports), *gpus])
    fix = f"{_findings_commands.stop(launch, run_id)}; "
    if not gpus:
        fix += f"or use another port: {option('master_port', _other(int(ports[0])))}; "
    return Text(
        f"Run {run_id}{model} of {lock['owner']} has {has}.",
        f"run {run_id}, rank {lock['node_rank']}, process {lock['pid']}, started by {lock['owner']}",
        "a host that no other run uses",
        f"{fix}or run beside it: {SHARE}",
    )


def _leftovers(launch: Launch, host: Host) -> list[Finding]:
    facts = host.facts or {}
    locked = set(_held(launch, host))
    in_conflict = set(_in_conflict(launch, host))
    found = []
    for left in facts["leftovers"]:
        if left["run_id"] in in_conflict and _is_checked(launch):
            continue  # which check lock says
        beside = _shares(launch) or left["run_id"] in locked - in_conflict
        found.append((note if beside else error)("leftovers", host.name, _living(launch, left, beside=beside)))
    return found


def _living(launch: Launch, left: dict[str, Any], *, beside: bool) -> Text:
    run_id, model = left["run_id"], f" of {left['model']}" if left["model"] else ""
    owner = "" if left["same_user"] else f" of {left['owner']}"
    seen = f"process {left['pid']}, rank {left['node_rank']}, for {left['age_s']:.0f} s"
    if beside:
        message = f"Run {run_id}{model}{owner} runs there, too."
        return Text(message, seen, "it may stay", "Nothing has to be done.")
    fix = f"{_findings_commands.stop(launch, run_id)}; or run beside it: {skip('leftovers')}"
    if owner:
        fix = f"Ask {left['owner']} to stop it (process {left['pid']}); or run beside it: {skip('leftovers')}"
    message = f"Run {run_id}{model}{owner} still runs there and may hold the GPUs."
    return Text(message, seen, "no process of another run", fix)


def _other(port: int) -> int:
    return port + 1 if port < 65535 else port - 1  # noqa: PLR2004 - the highest port


JUDGES = (_each_host,)
