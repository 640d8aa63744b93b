# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what the hosts told in the preflight.

Every finding of every host says what was seen, what was expected, and the command or step that mends it. Pure; the
facts come from `node/probe.py` and `node/confirm.py`. Private to the collection.
"""

from __future__ import annotations

from typing import Any

from . import _findings_host, _findings_lock, _findings_master, _findings_pairs, _findings_reach, _findings_shared
from ._findings_common import Finding, Launch, launch_of

# The names of the checks, in the order in which their findings are reported.
CHECKS = (
    "reach",
    "python",
    "forks",
    "same_host",
    "madengine",
    "version",
    "mad_dir",
    "model",
    "interface",
    "master_addr",
    "master_port",
    "rendezvous",
    "shared_path",
    "shared_same",
    "free_space",
    "gpus",
    "lock",
    "leftovers",
    "clock",
)

# A host that cannot be spoken to cannot run a rank, whatever is skipped.
ALWAYS_CHECKED = ("reach", "python")


def evaluate(plan: dict[str, Any], probes: dict[str, Any], confirms: dict[str, Any]) -> list[Finding]:
    """Return the findings of all hosts in the order of the checks, then of the ranks.

    A finding is {"check", "severity": "error" | "warning" | "note", "host": name or None for the launch as a whole,
    "seen", "expected", "fix", "message"}. Checks in the plan's `skip_checks` give none.

    Args:
        plan: the plan of the launch, each host with its settings.
        probes: host -> {"facts": ...}, {"unreachable": text of ssh} or {"error": {"message", "hint"}}.
        confirms: the same of the second exchange; {} for a host that was not asked.

    """
    launch = launch_of(plan, probes, confirms)
    judged = [finding for judge in _judges() for finding in judge(launch)]
    skipped = {check for check in plan["skip_checks"] if check not in ALWAYS_CHECKED}
    ranks = {host.name: host.settings["node_rank"] for host in launch.hosts}
    kept = [finding for finding in judged if finding["check"] not in skipped]
    return sorted(kept, key=lambda finding: (CHECKS.index(finding["check"]), ranks.get(str(finding["host"]), -1)))


def clock_offsets_s(plan: dict[str, Any], probes: dict[str, Any], confirms: dict[str, Any]) -> dict[str, float]:
    """Return by how many seconds the clock of each timed host is ahead of the control node's."""
    launch = launch_of(plan, probes, confirms)
    found = {host.name: _findings_pairs.offset_bounds(host) for host in launch.told}
    return {name: (bounds[0].low_s + bounds[0].high_s) / 2 for name, bounds in found.items() if bounds}


def _judges() -> list[Any]:
    modules = (_findings_reach, _findings_host, _findings_lock, _findings_pairs, _findings_shared, _findings_master)
    return [judge for module in modules for judge in module.JUDGES]


__all__ = ["ALWAYS_CHECKED", "CHECKS", "Finding", "Launch", "clock_offsets_s", "evaluate"]
