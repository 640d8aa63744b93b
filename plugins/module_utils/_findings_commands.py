# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the launcher for the fix of a finding, as they work from any machine that can log in to the hosts.

The record of another run may lie on another control node, so its hosts and their login are named. A password, a jump
host and other words for ssh are not known here. Private to the collection.
"""

from __future__ import annotations

from typing import Any

from ._findings_common import Host, Launch, quoted


def stop(launch: Launch, run_id: str) -> str:
    """Return how another run is ended on the hosts of this launch that have it, by the launcher and in Ansible."""
    hosts = [host for host in launch.told if run_id in _run_ids(host)] or [launch.first]
    command = f"python launcher.py stop {quoted(run_id)} {nodes(hosts)}"
    return f"{command} (in Ansible: ansible-playbook -i INVENTORY madlaunch.multinode.stop -e run_id={quoted(run_id)})"


def nodes(hosts: list[Host]) -> str:
    """Return the flags by which the launcher finds hosts, and logs in as far as the inventory tells."""
    words = [f"--nodes {quoted(','.join(_node(host) for host in hosts))}"]
    for flag, setting in (("--ssh-key", "key"), ("--node-state-dir", "node_state_dir")):
        values = {str(host.settings.get(setting) or "") for host in hosts} - {""}
        words += [f"{flag} {quoted(value)}" for value in sorted(values)[:1]]
    return " ".join(words)


def _node(host: Host) -> str:
    """Return a host as `--nodes` takes it: user@host:port, IPv6 in brackets."""
    address, user, port = host.address, host.settings.get("user"), str(host.settings.get("port") or "22")
    word = f"[{address}]" if ":" in address else address
    return (f"{user}@" if user else "") + word + (f":{port}" if port != "22" else "")


def _run_ids(host: Host) -> set[str]:
    facts: dict[str, Any] = host.facts or {}
    holder = (facts.get("master") or {}).get("holder") or {}
    alive = [lock for lock in facts.get("locks") or [] if lock["alive"]]
    return {str(one["run_id"]) for one in [*alive, *(facts.get("leftovers") or []), *([holder] if holder else [])]}
