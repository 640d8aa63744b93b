# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes on loopback are what they are said to be (no root needed)."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.loopback import LoopbackCluster
from tests.cluster.network import Subnet
from tests.cluster.options import REPOSITORY, NodeOptions
from tests.cluster.processes import children, start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

_OWNER = """
import sys, time
from pathlib import Path
from tests.cluster.loopback import LoopbackCluster

with LoopbackCluster(2, base=Path(sys.argv[1])) as cluster:
    print(cluster.shared, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def loopback() -> Iterator[LoopbackCluster]:
    """Two nodes, the second with madengine 1 and one GPU."""
    with LoopbackCluster(2, overrides={1: NodeOptions(madengine="1", gpus=1, env={"MORE": "a b"})}) as cluster:
        yield cluster


def test_session_when_logged_in_then_it_has_the_nodes_home_and_variables(loopback: LoopbackCluster) -> None:
    """Each node has a home, a directory of programs and variables of its own; the login is this user."""
    line = 'echo "$(id -un)|$HOME|$PATH|$MADENGINE_STANDIN|$MORE|$(rocm-smi --showid --csv | grep -c card)"'
    user = pwd.getpwuid(os.geteuid()).pw_name
    base = loopback.base
    path = "/usr/local/bin:/usr/bin:/bin"
    assert [loopback.ssh(index, line).stdout for index in (0, 1)] == [
        f"{user}|{base}/node01/home|{base}/node01/bin:{path}|2||2\n",
        f"{user}|{base}/node02/home|{base}/node02/bin:{path}|1|a b|1\n",
    ]


def test_shared_when_written_by_one_node_then_the_other_reads_it(loopback: LoopbackCluster) -> None:
    """The shared directory is one, and the launcher is told where it is."""
    loopback.ssh(0, f"echo one > {loopback.shared}/file")
    assert loopback.ssh(1, f"cat {loopback.shared}/file").stdout == "one\n"
    assert loopback.launcher_args() == [
        "--nodes",
        ",".join(f"{node.address}:{node.port}" for node in loopback.nodes),
        "--ssh-user",
        loopback.access.user,
        "--ssh-key",
        str(loopback.base / "id_ed25519"),
        f"--ssh-args=-o UserKnownHostsFile={loopback.base}/known_hosts -o GlobalKnownHostsFile=/dev/null",
        "--nccl-interface",
        "lo",
        "--gloo-interface",
        "lo",
        "--shared-data-path",
        str(loopback.shared),
    ]


def test_processes_when_on_one_node_then_the_other_has_none() -> None:
    """Processes are told apart by node; all of them, and open sessions, end with the nodes."""
    with LoopbackCluster(2) as cluster:
        node = cluster.nodes[1]
        cluster.ssh(1, "MADLAUNCH_RUN_ID=r1 MADLAUNCH_NODE_RANK=1 setsid -f sleep 60 </dev/null >/dev/null 2>&1")
        session = cluster.popen([*cluster.access.ssh_command(node.address, node.port), "sleep 60"])
        found = cluster.run_processes("r1")
        assert {name: [each.argv for each in processes] for name, processes in found.items()} == {
            "node02": [("sleep", "60")],
        }
        ticks = start_ticks(found["node02"][0].pid)
    assert session.wait(10) == 255
    assert ticks is not None
    assert start_ticks(found["node02"][0].pid) is None
    assert not cluster.base.exists()
    assert not cluster.shared.exists()


def test_sshd_when_stopped_then_logins_are_refused(loopback: LoopbackCluster) -> None:
    """A node's server can be stopped and started again, on the same port."""
    node = loopback.nodes[0]
    node.stop_sshd()
    refused = loopback.ssh(0, "true")
    node.start_sshd()
    node.wait_ready()
    assert (refused.returncode, "Connection refused" in refused.stderr) == (255, True)
    assert loopback.ssh(0, "echo here").stdout == "here\n"


def test_cluster_when_a_server_cannot_start_then_all_is_taken_back(tmp_path: Path) -> None:
    """The error has the server's own words, and nothing is left."""
    base = tmp_path / "cluster"
    with pytest.raises(ClusterError, match=r"node02 on 127\.0\.\d+\.11:\d+ did not start.*NoSuchKeyword"):
        LoopbackCluster(2, overrides={1: NodeOptions(sshd=("NoSuchKeyword yes",))}, base=base)
    assert not base.exists()


def test_servers_when_asked_for_one_port_then_all_have_it_and_can_be_logged_into() -> None:
    """Tools that take one port for all hosts can reach all nodes."""
    with LoopbackCluster(3, same_port=True) as cluster:
        assert len({node.port for node in cluster.nodes}) == 1
        assert [cluster.ssh(index, "echo here").stdout for index in range(3)] == ["here\n"] * 3


def test_addresses_when_there_are_256_nodes_then_all_differ_and_are_addresses_of_loopback() -> None:
    """The last byte has no room for all of them; those that two clusters have differ too."""
    with socket.socket() as claim:
        found = [Subnet(number, claim).loopback(index) for number in (1, 2) for index in range(256)]
    assert len(set(found)) == 512
    assert [found[0], found[245], found[246]] == ["127.0.1.10", "127.0.1.255", "127.1.1.0"]
    assert all(ip_address(address).is_loopback for address in found)


def test_owner_when_killed_then_servers_end(tmp_path: Path) -> None:
    """The servers do not outlive the process that made them, even when it cannot clear up."""
    argv = [sys.executable, "-c", _OWNER, str(tmp_path / "cluster")]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        shared = Path(owner.stdout.readline().strip())
        servers = {pid: start_ticks(pid) for pid in children(owner.pid)}
        owner.kill()
    shared.rmdir()
    deadline = time.monotonic() + 5
    while any(start_ticks(pid) == ticks for pid, ticks in servers.items()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (len(servers), {start_ticks(pid) for pid in servers}) == (2, {None})
