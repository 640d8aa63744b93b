# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of many kinds at once, on real nodes: each is found on its host, in its own words, and nothing else is."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.cluster.options import NodeOptions, Shared
from tests.integration.launching import Launch, launch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

PREFLIGHT_FAILED = 3
ADDRESS = re.compile(r"\b198\.1[89]\.\d+\.\d+\b")


def check(cluster: Cluster, state: Path, *words: str) -> Launch:
    """Run the preflight alone for the demo's training."""
    return launch(cluster, state, "--model", "demo_train", "--check-only", *words)


def errors(cluster: Cluster, done: Launch) -> list[tuple[str, int | None, str]]:
    """Return (check, rank of the host, message with hosts as `node<rank>`) of the findings that are errors."""
    ranks = {node.address: node.index for node in cluster.nodes}

    def named(text: str) -> str:
        return ADDRESS.sub(lambda match: f"node{ranks[match[0]]}" if match[0] in ranks else match[0], text)

    found = [item for item in done.findings if item["severity"] == "error"]
    return [(item["check"], ranks.get(str(item["host"])), named(item["message"])) for item in found]


def nothing_left(cluster: Cluster) -> bool:
    """Tell whether the preflight left no file in the shared path and the state directory, and nobody on its port."""
    state = "ls -A ~mluser/.local/state/madlaunch | grep -vxE 'runs|locks'"
    look = f"ls -A /nfs/data | grep madlaunch; {state}; ss -Htln | grep :4000"
    return cluster.nodes[0].exec(["sh", "-c", f"{{ {look}; }} 2>/dev/null"], check=False).stdout == ""


def test_check_when_nodes_differ_in_every_way_then_all_is_found_at_once(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """One report holds all findings of all hosts; each way in which a shared path is wrong has its own message."""
    nodes = {
        1: NodeOptions(shared=Shared.PLAIN),
        2: NodeOptions(shared=Shared.MISSING),
        3: NodeOptions(shared=Shared.READONLY),
        4: NodeOptions(shared=Shared.SEPARATE, clock_skew_s=300.0),
        5: NodeOptions(gpus=0, madengine="1", state_kib=4096),
        6: NodeOptions(gpus=1, madengine="", mad=False),
    }
    cluster = make_cluster(7, overrides=nodes)
    done = check(cluster, tmp_path)
    assert done.returncode == PREFLIGHT_FAILED
    state = "/home/mluser/.local/state/madlaunch"
    found = [
        # Sizes are those of the day, and a slow exchange leaves a second of doubt about a clock.
        (name, rank, re.sub(r"by (29[5-9]|300) s", "by N s", re.sub(r"[\d.]+ ([KM])iB", r"N \1iB", message)))
        for name, rank, message in errors(cluster, done)
    ]
    missing = "no executable file named 'madengine' on the PATH of the login"
    space = f"{state} has only N MiB left; a run needs N MiB (twice the checkout and N MiB)."
    assert found == [
        ("madengine", 6, f"madengine was not found: {missing}."),
        ("version", 5, "madengine 1.0.0 is installed, but the other hosts have version 2."),
        ("mad_dir", 6, "There is no folder /home/mluser/MAD."),
        ("shared_path", 1, "/nfs/data is not mounted here, while on node0 it is storage:/export (tmpfs)."),
        ("shared_path", 2, "/nfs/data does not exist."),
        ("shared_path", 3, "/nfs/data is mounted read-only, so madengine cannot mirror data into it."),
        ("shared_same", 4, "/nfs/data is another file system than on node0: a file written there is not seen here."),
        ("free_space", 5, space),
        ("gpus", 5, "No GPU was found, so the number of processes is unknown."),
        ("gpus", 6, "There are 1 GPUs, but 2 on the other hosts."),
        ("clock", 4, "Its clock differs from that of node0 by N s: logs cannot be put in order."),
    ]
    assert nothing_left(cluster)


def test_check_when_ssh_fails_then_each_reason_is_told(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """A refused login, a changed key, no server and a cut cable are not the same; the others are still judged."""
    cluster = make_cluster(5)
    cluster.nodes[1].accept_key(accepted=False)
    cluster.nodes[2].change_host_key()
    cluster.nodes[3].stop_sshd()
    cluster.nodes[4].cut(silent=True)
    done = check(cluster, tmp_path, "--model", "no_such_model")
    assert done.returncode == PREFLIGHT_FAILED
    changed = "Not reachable: the host's key has changed; it was installed anew, or another host answers."
    refused = f"the key or the password of {cluster.access.user}"
    # Whether the kernel or ssh gives up first on a silent neighbor is a matter of timing.
    cut = re.compile("Not reachable: (the host does not answer|there is no route to the host).")
    assert [(name, rank, cut.sub("cut", message)) for name, rank, message in errors(cluster, done)] == [
        ("reach", 1, f"Not reachable: the login was refused: {refused} is not accepted."),
        ("reach", 2, changed),
        ("reach", 3, "Not reachable: the host is there, but no SSH server listens on that port."),
        ("reach", 4, "cut"),
        ("model", 0, "madengine knows no model 'no_such_model' there."),
    ]
    fix = next(item["fix"] for item in done.findings if item["host"] == cluster.nodes[2].address)
    known_hosts = cluster.base / "known_hosts"
    assert fix == f"If the host was installed anew: ssh-keygen -f {known_hosts} -R {cluster.nodes[2].address}"
    subprocess.run(fix.partition(": ")[2].split(), check=True, capture_output=True)
    assert cluster.nodes[2].address not in known_hosts.read_text()


def test_check_when_a_firewall_drops_the_port_then_no_rank_reaches_rank_0(
    node_cluster: Cluster, tmp_path: Path
) -> None:
    """What is dropped is told from what is refused, and rank 0 itself is not accused."""
    with node_cluster.nodes[0].port_dropped(4000):
        done = check(node_cluster, tmp_path)
    message = "node0 (node0, port 4000) is not reached: no answer, as with a firewall that drops packets."
    expected = [("rendezvous", rank, message) for rank in (1, 2, 3)]
    assert (done.returncode, errors(node_cluster, done)) == (PREFLIGHT_FAILED, expected)
    assert nothing_left(node_cluster)


def test_check_when_settings_name_what_is_not_there_then_each_is_found(node_cluster: Cluster, tmp_path: Path) -> None:
    """Interface, checkout, program, version and master address are looked at on every host."""
    words = ["--nccl-interface", "ens99", "--mad-dir", "no such", "--madengine-path", "/no such/m"]
    done = check(node_cluster, tmp_path, *words, "--master-addr", "203.0.113.9")
    every = range(len(node_cluster.nodes))
    assert (done.returncode, errors(node_cluster, done)) == (
        PREFLIGHT_FAILED,
        [
            *[("madengine", rank, "madengine was not found: /no such/m does not exist.") for rank in every],
            *[("mad_dir", rank, "There is no folder /home/mluser/no such.") for rank in every],
            *[("interface", rank, "There is no interface ens99 (setting nccl_interface).") for rank in every],
            ("master_addr", 0, "Rank 0 does not own the master address 203.0.113.9, nor does any host of the launch."),
        ],
    )


def test_check_when_another_version_is_wanted_then_every_host_is_named(node_cluster: Cluster, tmp_path: Path) -> None:
    """The nodes have version 2."""
    done = check(node_cluster, tmp_path, "--madengine-version", "1")
    found = errors(node_cluster, done)
    assert (done.returncode, {(name, rank) for name, rank, _message in found}) == (
        PREFLIGHT_FAILED,
        {("version", rank) for rank in range(len(node_cluster.nodes))},
    )
