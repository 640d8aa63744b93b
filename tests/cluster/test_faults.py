# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that a test can make on a node are those that they are said to be (in namespaces; needs root)."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.nodes import kill_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]


def _reach(cluster: Cluster, index: int, command: str = "echo here") -> tuple[int, str]:
    """Log in within two seconds; the exit code and the last line of either output."""
    node = cluster.nodes[index]
    argv = cluster.access.ssh_command(node.address, node.port)
    argv[1:1] = ["-o", "ConnectTimeout=2"]
    done = cluster.run([*argv, command])
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


@contextlib.contextmanager
def _session(cluster: Cluster, index: int, command: str) -> Iterator[subprocess.Popen[str]]:
    """A session that stays open at most as long as the block; what it starts has said `up` before."""
    node = cluster.nodes[index]
    argv = [*cluster.access.ssh_command(node.address, node.port), f"echo up; {command}"]
    pipe = subprocess.PIPE
    with cluster.popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "up\n"
        try:
            yield session
        finally:
            session.kill()


def _connect(cluster: Cluster, source: int, target: int, port: int) -> str:
    """What happens when one node connects to another: `open`, or the system's error in Python's words."""
    code = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()\n"
        "except OSError as error: print(type(error).__name__, error.strerror)\n"
        "else: print('open')\n"
    )
    argv = ["python3", "-c", code, cluster.nodes[target].address, str(port)]
    return cluster.nodes[source].exec(argv).stdout.strip()


@pytest.mark.parametrize(("silent", "carrier"), [(False, "0"), (True, "1")], ids=["pulled", "silent"])
def test_cut_when_mended_then_the_session_goes_on(node_cluster: Cluster, silent: bool, carrier: str) -> None:  # noqa: FBT001 - a parameter
    """A node that is cut off is not reached; once mended, it is, and a session that was open has lost nothing."""
    node = node_cluster.nodes[1]
    with _session(node_cluster, 1, "sleep 1; echo survived") as session:
        node.cut(silent=silent)
        assert node.path("/sys/class/net/ens14np0/carrier").read_text().strip() == carrier
        assert _reach(node_cluster, 1)[0] == 255
        assert _reach(node_cluster, 2) == (0, "here")
        node.mend()
        assert _reach(node_cluster, 1) == (0, "here")
        assert session.communicate(timeout=20) == ("survived\n", "")


def test_interface_when_taken_down_then_it_has_no_carrier_and_no_route(node_cluster: Cluster) -> None:
    """An interface can be down as an administrator makes it; it comes back with its address."""
    node = node_cluster.nodes[2]
    node.set_interface("ens14np0", up=False)
    assert node.exec(["ip", "route"]).stdout == ""
    node.set_interface("ens14np0", up=True)
    assert node.address in node.exec(["ip", "route"]).stdout
    assert _reach(node_cluster, 2) == (0, "here")


def test_crash_when_booted_again_then_disk_is_kept_and_boot_id_is_new(make_cluster: MakeCluster) -> None:
    """A crash says no farewell on open connections and leaves no process; the next boot finds the same disk."""
    cluster = make_cluster(2)
    node = cluster.nodes[0]
    boot_id = "cat /proc/sys/kernel/random/boot_id"
    before = _reach(cluster, 0, f"echo kept > ~/file; {boot_id}")
    with _session(cluster, 0, "MADLAUNCH_RUN_ID=r1 exec sleep 30") as session:
        deadline_s = time.monotonic() + 10
        # The shell said `up` before it became the process with the run id.
        while not node.processes() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert [process.run_id for process in node.processes()] == ["r1"]
        assert len(node.namespaces.pids()) >= 4  # init, the listener, the session's two servers, sleep
        node.crash()
        assert (node.alive, node.processes(), node.namespaces.pids()) == (False, [], [])
        with pytest.raises(subprocess.TimeoutExpired):
            session.wait(1)
        assert _reach(cluster, 0)[0] == 255
    node.boot()
    assert _reach(cluster, 0, "cat ~/file") == (0, "kept")
    after = _reach(cluster, 0, boot_id)
    assert (after[0], after != before) == (0, True)
    with pytest.raises(ClusterError, match="node01 runs already"):
        node.boot()


def test_sshd_when_stopped_then_logins_are_refused_and_sessions_go_on(node_cluster: Cluster) -> None:
    """Without a listener, a login is refused at once, while a session that is open goes on."""
    with _session(node_cluster, 3, "sleep 1; echo survived") as session:
        node_cluster.nodes[3].stop_sshd()
        code, message = _reach(node_cluster, 3)
        node_cluster.nodes[3].start_sshd()
        assert (code, "Connection refused" in message) == (255, True)
        assert session.communicate(timeout=20) == ("survived\n", "")
    assert _reach(node_cluster, 3) == (0, "here")


def test_sessions_when_dropped_then_detached_programs_stay(node_cluster: Cluster) -> None:
    """All open sessions break, new logins work, and what was started detached goes on until it is killed."""
    detached = "MADLAUNCH_RUN_ID=r2 setsid sleep 60 </dev/null >/dev/null 2>&1 & sleep 60"
    with _session(node_cluster, 0, detached) as session:
        deadline = time.monotonic() + 5
        while not node_cluster.nodes[0].processes("r2") and time.monotonic() < deadline:
            time.sleep(0.01)
        node_cluster.nodes[0].drop_sessions()
        assert session.wait(10) == 255
    assert _reach(node_cluster, 0) == (0, "here")
    left = node_cluster.run_processes("r2")
    assert {name: [process.argv for process in found] for name, found in left.items()} == {
        "node01": [("sleep", "60")],
    }
    kill_all(left["node01"])


def test_host_key_when_changed_then_ssh_refuses(node_cluster: Cluster) -> None:
    """A node with a new key is not the one that `known_hosts` names."""
    node_cluster.nodes[1].change_host_key()
    assert _reach(node_cluster, 1) == (255, "Host key verification failed.")
    node_cluster.write_known_hosts()
    assert _reach(node_cluster, 1) == (0, "here")


def test_key_when_not_accepted_then_login_is_denied(node_cluster: Cluster) -> None:
    """A node can forget the cluster's key."""
    node_cluster.nodes[1].accept_key(accepted=False)
    code, message = _reach(node_cluster, 1)
    node_cluster.nodes[1].accept_key(accepted=True)
    assert (code, "Permission denied (publickey,password)" in message) == (255, True)
    assert _reach(node_cluster, 1) == (0, "here")


def test_sshd_when_given_other_settings_then_they_count(make_cluster: MakeCluster) -> None:
    """Lines of `sshd_config` can be put on top, such as a limit of connections."""
    cluster = make_cluster(1)
    cluster.nodes[0].set_sshd("DenyUsers mluser")
    assert _reach(cluster, 0)[0] == 255


def test_port_when_dropped_then_connections_time_out(node_cluster: Cluster) -> None:
    """What comes in for a dropped port vanishes; other ports, and the port after that, are open."""
    node = node_cluster.nodes[0]
    with node.port_held(4000):
        assert _connect(node_cluster, 1, 0, 4000) == "open"
        with node.port_dropped(4000):
            assert _connect(node_cluster, 1, 0, 4000) == "TimeoutError None"
            assert _connect(node_cluster, 1, 0, 22) == "open"
        assert _connect(node_cluster, 1, 0, 4000) == "open"


def test_port_when_refused_from_one_node_then_others_reach_it(node_cluster: Cluster) -> None:
    """One node can be kept from one port of another by an error at once."""
    first, second = node_cluster.nodes[:2]
    with first.port_held(4000), second.port_refused_to(4000, first.address):
        assert _connect(node_cluster, 1, 0, 4000) == "OSError Network is unreachable"
        assert _connect(node_cluster, 2, 0, 4000) == "open"


def test_port_when_held_then_the_holder_is_named(node_cluster: Cluster) -> None:
    """A held port belongs to a program of the wanted user, whose pid on the node is given."""
    node = node_cluster.nodes[0]
    with node.port_held(4000, user_id=4242) as pid:
        assert node.exec(["ps", "-o", "user=,comm=", "-p", str(pid)]).stdout.split() == ["mluser", "python3"]
    assert _connect(node_cluster, 1, 0, 4000) == "ConnectionRefusedError Connection refused"


def test_processes_when_on_two_nodes_then_each_has_its_own(node_cluster: Cluster) -> None:
    """A node's processes of a run are found by run id, also detached ones, and are those of that node only."""
    for index in (0, 2):
        line = f"MADLAUNCH_RUN_ID=r3 MADLAUNCH_NODE_RANK={index} setsid -f sleep 60 </dev/null >/dev/null 2>&1"
        node_cluster.ssh(index, line)
    found = node_cluster.run_processes("r3")
    assert {name: [process.node_rank for process in each] for name, each in found.items()} == {
        "node01": ["0"],
        "node03": ["2"],
    }
    assert node_cluster.nodes[0].processes("other") == []
    process = found["node01"][0]
    assert node_cluster.nodes[0].exec(["cat", f"/proc/{process.node_pid}/comm"]).stdout == "sleep\n"
    kill_all([*found["node01"], *found["node03"]])


def test_control_side_when_given_a_small_directory_then_it_gets_full(make_cluster: MakeCluster) -> None:
    """A directory of the control side can be a small file system, which this machine does not see."""
    cluster = make_cluster(1)
    place = cluster.base / "small"
    place.mkdir()
    cluster.mount_small(place, 64)
    done = cluster.run(["dd", "if=/dev/zero", f"of={place}/file", "bs=4k"])
    assert "No space left on device" in done.stderr
    assert list(place.iterdir()) == []
