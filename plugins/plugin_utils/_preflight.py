# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight actions share.

Private to the collection.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils.node.interface_names import SETTINGS

# How long rank 0's listener waits for the other ranks. They all come once they have been probed.
_RENDEZVOUS_WAIT_S, _RENDEZVOUS_WAIT_PER_HOST_S = 20.0, 0.25
# How long it lives when nobody tends it any more: long enough for the one that does to log in again, and no longer than
# the launch promises for all that it leaves (its lease).
_LISTENER_LEASE_S, _LISTENER_AFTER_LEASE_S = 30.0, 5.0

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
    wait_s = _RENDEZVOUS_WAIT_S + _RENDEZVOUS_WAIT_PER_HOST_S * len(plan["hosts"])
    arguments: dict[str, Any] = {"node_rank": node_rank, "state_dir": host["node_state_dir"]}
    arguments["rendezvous_wait_s"] = wait_s
    arguments["listener_lease_s"] = listener_lease_s(plan)
    arguments.update({key: plan[key] for key in PLAN_KEYS})
    arguments.update({key: host[key] for key in HOST_KEYS})
    return arguments


def listener_lease_s(plan: dict[str, Any]) -> float:
    """Return for how many seconds rank 0's listener lives without a word from the control node."""
    lease_s = int(plan["lease_s"])
    return min(_LISTENER_LEASE_S, lease_s + _LISTENER_AFTER_LEASE_S) if lease_s else _LISTENER_LEASE_S


def training_interfaces(host: dict[str, Any], facts: dict[str, Any]) -> dict[str, str]:
    """Return the interfaces that the training of a rank will use, by setting ('' when the system shall choose)."""
    return {name: resolved_interface(host[name], facts) for name in SETTINGS}


def master_told(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the other ranks have to know of the facts of rank 0."""
    listener = (facts.get("master") or {}).get("listener")
    machine = {name: facts.get(name) for name in ("boot_id", "network")}
    nonce_written = bool((facts.get("shared") or {}).get("nonce_written"))
    return {"listener": listener, "machine": machine, "nonce_written": nonce_written}


def resolved_interface(wanted: str, facts: dict[str, Any]) -> str:
    """Return the interface name that a rank is given: `auto` becomes the interface of the route to the master."""
    return str(facts.get("master_interface") or "") if wanted == "auto" else wanted
