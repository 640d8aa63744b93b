# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight tells of the locks of a host, over the wire."""

from __future__ import annotations

from tests.unit.plugins.module_utils.node.local_node import Node, call


def test_probe_tells_the_locks_of_the_host(node: Node) -> None:
    """Key, run, who started it and whether it lives; the order is that of the keys."""
    run_id = node.start("sleep 300", lock_keys=["port-4000", "gpus"], node_rank=3)
    args = {
        "run_id": "mine",
        "node_rank": 1,
        "nnodes": 2,
        "model": "m",
        "master_addr": "127.0.0.1",
        "nonce": "n",
        "master_port": 4000,
        "nccl_interface": "",
        "gloo_interface": "",
        "shared_data_path": "",
        "in_place": False,
        "madengine_path": "no-madengine",
        "madengine_version": "auto",
        "mad_dir": str(node.mad_dir),
        "state_dir": str(node.state_dir),
        "skip_checks": ["model", "leftovers"],
        "rendezvous_wait_s": 1.0,
        "listener_lease_s": 30.0,
    }
    told = {
        "run_id": run_id,
        "node_rank": 3,
        "attempt": 0,
        "owner": "somebody@control",
        "model": "some_model",
        "pid": node.supervisor(run_id, 3).pid,
        "alive": True,
    }
    assert call("probe", args)["locks"] == [{**told, "key": "gpus"}, {**told, "key": "port-4000"}]
