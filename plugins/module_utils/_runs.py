# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs the hosts know, which of them is meant, and how it stands.

Private to the collection. Pure: what the hosts answered in, a choice, a report or a `ChoiceError` out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What a rank needs to be judged when the hosts have no plan of the run.
PLAN_DEFAULTS: dict[str, Any] = {"on_failure": "stop", "runner": "torchrun", "container_env": {}, "secret_names": []}
PLAN_FROM_STATUS = ("run_id", "model", "nnodes", "timeout_s", "grace_s", "lease_s")
# More runs than these are not listed in the message of an error.
_NAMED_RUNS = 10


class ChoiceError(ValueError):
    """No run, or not one run, is meant by what was given; `hint` is the next step."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Seen:
    """What one host of the play answered: the STATUS of each of its ranks of any run, or why there is no answer."""

    host: str
    runs: tuple[dict[str, Any], ...] = ()
    unreachable: str = ""


@dataclass(frozen=True)
class Overview:
    """One run as the hosts know it, for a list."""

    run_id: str
    model: str
    owner: str
    nnodes: int
    started_at_s: float
    state: str
    hosts: tuple[str, ...] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
        names = ("run_id", "model", "owner", "nnodes", "started_at_s", "state")
        return {**{name: getattr(self, name) for name in names}, "hosts": list(self.hosts)}


def overview(seen: list[Seen]) -> list[Overview]:
    """Return every run that a host knows, the newest first."""
    by_run: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for answer in seen:
        for status in answer.runs:
            by_run.setdefault(str(status["run_id"]), []).append((answer.host, status))
    runs = [_overview_of(run_id, ranks) for run_id, ranks in by_run.items()]
    return sorted(runs, key=lambda run: (run.started_at_s, run.run_id), reverse=True)


def _overview_of(run_id: str, ranks: list[tuple[str, dict[str, Any]]]) -> Overview:
    first = ranks[0][1]
    return Overview(
        run_id=run_id,
        model=str(first["model"]),
        owner=str(first["owner"]),
        nnodes=int(first["nnodes"]),
        started_at_s=min(float(status["started_at_s"]) for _host, status in ranks),
        state=run_state([status for _host, status in ranks]),
        hosts=tuple(dict.fromkeys(host for host, _status in ranks)),
    )


def run_state(statuses: list[dict[str, Any]]) -> str:
    """Return `running` while a rank may run, `ended` when all known ones have, `unknown` when none is known."""
    if not statuses:
        return "unknown"
    return "ended" if all(status["state"] == "ended" for status in statuses) else "running"


def choose(wanted: str, seen: list[Seen]) -> str:
    """Return the id of the run that `wanted` means: an id, the beginning of just one, or '' for the newest run.

    Raises `ChoiceError` when there is none or more than one.
    """
    runs = overview(seen)
    ids = [run.run_id for run in runs]
    if wanted in ids:
        return wanted
    matching = [run_id for run_id in ids if run_id.startswith(wanted)]
    if wanted and len(matching) > 1:
        message = f"{wanted!r} is the beginning of {len(matching)} runs: {_named(matching)}."
        raise ChoiceError(message, "Give more characters of the run id.")
    if matching:
        return matching[0]
    raise _no_run(wanted, ids, seen)


def latest(prefix: str, seen: list[Seen]) -> str:
    """Return the id of the newest run whose id begins with `prefix`, one that goes on if there is; else `prefix`."""
    found = [run for run in overview(seen) if run.run_id.startswith(prefix)]
    going_on = [run for run in found if run.state == "running"]
    return next((run.run_id for run in going_on + found), prefix)


def _no_run(wanted: str, ids: list[str], seen: list[Seen]) -> ChoiceError:
    silent = [answer.host for answer in seen if answer.unreachable]
    if len(silent) == len(seen):
        message = f"none of the {len(seen)} hosts could be reached: {_named(silent)}."
        return ChoiceError(message, "Correct the login or the inventory.")
    among = f" (not reached: {_named(silent)})" if silent else ""
    if not ids:
        message = f"no host knows a run of this login{among}."
        return ChoiceError(message, "Name the hosts and the login of the run, and node_state_dir if it was given.")
    message = f"no run begins with {wanted!r}{among}; the hosts know {_named(ids)}."
    return ChoiceError(message, "Give one of these ids, or the beginning of just one.")


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED_RUNS])
    return shown if len(names) <= _NAMED_RUNS else f"{shown} and {len(names) - _NAMED_RUNS} more"


def plan_of(run_id: str, seen: list[Seen]) -> dict[str, Any]:
    """Return the plan of a run as the hosts keep it, its hosts by the names that they have in this play.

    A rank whose host did not answer keeps the name that the run gave it. A host kept a plan when it started its rank;
    without any, what the STATUS of the ranks tells is the plan.
    """
    ranks = _ranks(run_id, seen)
    statuses = list(ranks.values())
    # Rank 0, the first, keeps the list of all hosts.
    kept: dict[str, Any] = next((dict(status["plan"]) for _host, status in statuses if status.get("plan")), {})
    kept.pop("resolved", None)
    told = {name: statuses[0][1][name] for name in PLAN_FROM_STATUS} if statuses else {"run_id": run_id, "nnodes": 0}
    places = {int(place["node_rank"]): (name, place) for name, place in kept.get("hosts", {}).items()}
    for node_rank, (host, status) in ranks.items():
        address = places[node_rank][1].get("address", "") if node_rank in places else ""
        resolved = (status.get("plan") or {}).get("resolved") or {}
        places[node_rank] = (host, {"node_rank": node_rank, "address": address, "resolved": resolved})
    hosts = {name: place for _rank, (name, place) in sorted(places.items())}
    return {**PLAN_DEFAULTS, **told, **kept, "hosts": hosts}


def _ranks(run_id: str, seen: list[Seen]) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return host and STATUS by rank; a host that is in the play under two names counts once."""
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for answer in seen:
        for status in answer.runs:
            if status["run_id"] == run_id:
                found.setdefault(int(status["node_rank"]), (answer.host, status))
    return dict(sorted(found.items()))


_SHOWN = (
    *("node_rank", "state", "attempt", "exit_code", "signal", "ended_by", "stop_reason", "started_at_s", "ended_at_s"),
    *("runtime_s", "last_line", "last_output_age_s", "log_size_bytes", "left"),
)


def status_of(run_id: str, seen: list[Seen]) -> dict[str, Any]:
    """Return how a run stands: its state, each known rank, the ranks that no host told of, and the silent hosts."""
    ranks = _ranks(run_id, seen)
    statuses = [status for _host, status in ranks.values()]
    first = statuses[0] if statuses else {}
    nnodes = int(first.get("nnodes", 0))
    return {
        "run_id": run_id,
        "model": str(first.get("model", "")),
        "owner": str(first.get("owner", "")),
        "nnodes": nnodes,
        "state": run_state(statuses),
        "ranks": [{"host": host, **{name: status.get(name) for name in _SHOWN}} for host, status in ranks.values()],
        "missing_ranks": [rank for rank in range(nnodes) if rank not in ranks],
        "unreachable": {answer.host: answer.unreachable for answer in seen if answer.unreachable},
    }


def incomplete(status: dict[str, Any], plan: dict[str, Any]) -> str:
    """Return why a run cannot be followed as a whole from here, '' if it can."""
    if not status["missing_ranks"]:
        return ""
    names = {place["node_rank"]: name for name, place in plan["hosts"].items()}
    ranks = [f"{rank} ({names[rank]})" if rank in names else str(rank) for rank in status["missing_ranks"]]
    return f"{len(ranks)} of {status['nnodes']} ranks of run {status['run_id']} were not found: {_named(ranks)}"


def described(status: dict[str, Any]) -> list[str]:
    """Return the status in lines that can be read in any Ansible output."""
    lines = [f"Run {status['run_id']} ({status['model']}): {status['state']}"]
    lines += [f"  rank {rank['node_rank']} on {rank['host']}: {_rank_words(rank)}" for rank in status["ranks"]]
    lines += [f"  rank {rank}: no host told of it" for rank in status["missing_ranks"]]
    lines += [f"  {host} could not be reached: {reason}" for host, reason in status["unreachable"].items()]
    return lines


def _rank_words(rank: dict[str, Any]) -> str:
    words = [str(rank["state"])]
    if rank["exit_code"] is not None:
        words.append(f"exit code {rank['exit_code']}")
    if rank["signal"] is not None:
        words.append(f"signal {rank['signal']}")
    if rank["stop_reason"] or rank["ended_by"] not in (None, "itself"):
        words.append(f"ended by {rank['stop_reason'] or rank['ended_by']}")
    if rank["runtime_s"] is not None:
        words.append(f"{rank['runtime_s']:.0f} s")
    if rank["last_output_age_s"] is not None:
        words.append(f"last output {rank['last_output_age_s']:.0f} s ago: {rank['last_line']}")
    return ", ".join(words)
