# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the three preflight actions share.

Private to the collection.
"""

from __future__ import annotations

from typing import Any

# How long rank 0's listener waits for the other ranks. They all come within one task of the playbook.
RENDEZVOUS_WAIT_S = 20.0

PLAN_KEYS = (
    "run_id",
    "nnodes",
    "model",
    "master_addr",
    "master_port",
    "madengine_version",
    "in_place",
    "nonce",
    "skip_checks",
)
HOST_KEYS = ("nccl_interface", "gloo_interface", "shared_data_path", "madengine_path", "mad_dir")


def in_waves(plan: dict[str, Any]) -> bool:
    """Tell whether Ansible has too few forks for all hosts at once, so that none can wait for another."""
    return 0 < int(plan["forks"]) < len(plan["hosts"])


def probe_arguments(plan: dict[str, Any], host: dict[str, Any], node_rank: int) -> dict[str, Any]:
    """Return the arguments that probe and confirm of the node program have in common."""
    arguments: dict[str, Any] = {"node_rank": node_rank, "state_dir": host["node_state_dir"]}
    arguments.update({key: plan[key] for key in PLAN_KEYS})
    arguments.update({key: host[key] for key in HOST_KEYS})
    return arguments


def leaving_interface(host: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return the interface by which a rank leaves for the rendezvous ('' when the system shall choose)."""
    for name in ("nccl_interface", "gloo_interface"):
        if host[name] == "auto":
            return str(facts.get("master_interface") or "")
        if host[name]:
            return str(host[name])
    return ""


def resolved_interface(wanted: str, facts: dict[str, Any]) -> str:
    """Return the interface name that a rank is given: `auto` becomes the interface of the route to the master."""
    return str(facts.get("master_interface") or "") if wanted == "auto" else wanted
