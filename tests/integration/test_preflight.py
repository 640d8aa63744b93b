# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the preflight: the fault is made on a real node, and just that is found, on that host; exit code 3."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cluster.nodes import kill_all
from tests.cluster.options import NodeOptions, Shared
from tests.integration.launching import Launch, launch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

PREFLIGHT_FAILED = 3
ADDRESS = re.compile(r"\b198\.1[89]\.\d+\.\d+\b")
OLD_RUN = "MADLAUNCH_RUN_ID=old-1 MADLAUNCH_NODE_RANK=7 exec sleep 120"


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
    look = (
        "ls -A /nfs/data | grep madlaunch; ls -A ~mluser/.local/state/madlaunch | grep -v runs; ss -Htln | grep :4000"
    )
    return cluster.nodes[0].exec(["sh", "-c", f"{{ {look}; }} 2>/dev/null"], check=False).stdout == ""


def test_check_when_all_is_well_then_nothing_is_found_and_nothing_is_left(
    node_cluster: Cluster, tmp_path: Path
) -> None:
    """The preflight changes nothing: nonce, listener and their record are gone when it has ended."""
    done = check(node_cluster, tmp_path)
    assert (done.returncode, errors(node_cluster, done)) == (0, [])
    assert nothing_left(node_cluster)


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
        (name, rank, re.sub(r"[\d.]+ ([KM])iB", r"N \1iB", message)) for name, rank, message in errors(cluster, done)
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
        ("clock", 4, "Its clock differs from that of node0 by 300 s: logs cannot be put in order."),
    ]
    assert nothing_left(cluster)


def test_check_when_the_path_is_plain_on_all_nodes_then_no_node_is_an_example(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """A forgotten mount on all nodes is what madengine would take without a word."""
    cluster = make_cluster(2, NodeOptions(shared=Shared.PLAIN))
    done = check(cluster, tmp_path)
    message = "/nfs/data is a plain local folder on each host: every host would fetch its own copy of the data."
    assert (done.returncode, errors(cluster, done)) == (
        PREFLIGHT_FAILED,
        [("shared_path", 0, message), ("shared_path", 1, message)],
    )


def test_check_when_an_earlier_run_still_lives_then_it_is_named(node_cluster: Cluster, tmp_path: Path) -> None:
    """A process with a run id in its environment holds GPUs; who knows better can say so."""
    node = node_cluster.nodes[3]
    ssh = node_cluster.access.ssh_command(node.address, node.port)
    with node_cluster.popen([*ssh, f"echo up; {OLD_RUN}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"up\n"
        done = check(node_cluster, tmp_path)
        skipping = check(node_cluster, tmp_path, "--skip-check", "leftovers")
        kill_all(node.processes("old-1"))
    message = "Run old-1 still runs there and may hold the GPUs."
    assert (done.returncode, errors(node_cluster, done)) == (PREFLIGHT_FAILED, [("leftovers", 3, message)])
    assert (skipping.returncode, skipping.of("preflight")[0]["skipped"]) == (0, ["leftovers"])


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
    # Whether the kernel or ssh gives up first on a silent neighbor is a matter of timing.
    cut = re.compile("Not reachable: (the host does not answer|there is no route to the host).")
    assert [(name, rank, cut.sub("cut", message)) for name, rank, message in errors(cluster, done)] == [
        ("reach", 1, "Not reachable: the login was refused."),
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


def test_check_when_one_rank_has_no_route_then_that_one_is_named(node_cluster: Cluster, tmp_path: Path) -> None:
    """The way to the port is tried from every rank, not only from one."""
    rank_0, rank_2 = node_cluster.nodes[0], node_cluster.nodes[2]
    with rank_2.port_refused_to(4000, rank_0.address):
        done = check(node_cluster, tmp_path)
    expected = [("rendezvous", 2, "node0 (node0, port 4000) is not reached: there is no route.")]
    assert (done.returncode, errors(node_cluster, done)) == (PREFLIGHT_FAILED, expected)


def test_check_when_the_training_interface_is_cut_then_it_is_found_although_ssh_works(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """SSH in one network and the training in another: an interface that is down, and one that only looks well."""
    cluster = make_cluster(3, NodeOptions(second_interface="ib0"))
    master = ["--master-addr", cluster.nodes[0].second_address, "--nccl-interface", "ib0", "--gloo-interface", "ib0"]
    assert check(cluster, tmp_path, *master).returncode == 0
    cluster.nodes[1].set_interface("ib0", up=False)
    cluster.nodes[2].exec(["ip", "addr", "flush", "dev", "ib0"])
    done = check(cluster, tmp_path, *master)
    found = [(name, rank, message) for name, rank, message in errors(cluster, done) if name == "interface"]
    assert (done.returncode, found) == (
        PREFLIGHT_FAILED,
        [("interface", 1, "Interface ib0 is down."), ("interface", 2, "Interface ib0 has no usable address.")],
    )
    assert {(name, rank) for name, rank, _message in errors(cluster, done)} >= {("rendezvous", 1), ("rendezvous", 2)}


@pytest.mark.parametrize("same_user", [True, False], ids=["own", "of-another-user"])
def test_check_when_the_port_is_held_then_the_holder_is_named(
    node_cluster: Cluster,
    tmp_path: Path,
    same_user: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The login sees its own processes, and of others at least the user."""
    node = node_cluster.nodes[0]
    user_id = int(node.exec(["id", "-u", "mluser"]).stdout) if same_user else 65534
    with node.port_held(4000, user_id=user_id) as pid:
        done = check(node_cluster, tmp_path)
    [(name, rank, message)] = errors(node_cluster, done)
    others = "Port 4000 is held by a process of user nobody, which only that user or root can see."
    own = f"Port 4000 is held by process {pid} of mluser: /usr/bin/python3 -c "
    assert (done.returncode, name, rank) == (PREFLIGHT_FAILED, "master_port", 0)
    assert message.startswith(own) if same_user else message == others


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
