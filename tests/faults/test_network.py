# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection is lost and comes back, or never was needed: the run goes on, and no line is lost or repeated."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import processes

from tests.cluster.processes import members, namespace
from tests.faults.doors import LAUNCHER_DOOR
from tests.faults.measuring import measured
from tests.faults.models import SILENT, TICKS, enough
from tests.integration.models import add_model
from tests.integration.running import kill, node_programs, seconds_until

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.nodes import Node
    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

CUT_S = 4.0
# A poll waits three quarters of the lease, in the end.
IDLE_LEASE_S = 20
IDLE_POLL_S = 7.5


@pytest.mark.fault("cut-short")
def test_cut_shorter_than_the_lease_then_changes_nothing(make_nodes: MakeNodes, tmp_path: Path, door: Door) -> None:
    """The run goes on, is good, and no line is lost or repeated."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks", lease_s=30) as going:
        going.wait_up()
        cluster.nodes[1].cut()
        time.sleep(CUT_S)
        cluster.nodes[1].mend()
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok"])


@pytest.mark.fault("cut-short-idle")
def test_cut_shorter_than_the_lease_when_a_rank_is_silent_then_changes_nothing(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """A silent rank is asked seldom; the cut comes without a word just before it would have been asked again."""
    cluster = make_nodes(2)
    add_model(cluster, "silent", SILENT)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="silent", lease_s=IDLE_LEASE_S) as going:
        for node_rank in (0, 1):
            going.wait_for(node_rank, f"silent on node {node_rank}")
        seconds_until(lambda: _oldest_poll_s(cluster.nodes[1]) > IDLE_POLL_S, 60)
        cluster.nodes[1].cut(silent=True)
        time.sleep(IDLE_LEASE_S - IDLE_POLL_S)
        cluster.nodes[1].mend()
        seconds_until(lambda: _oldest_poll_s(cluster.nodes[1]) > 1, 60)
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok"])


def _oldest_poll_s(node: Node) -> float:
    """Return the age of the node program that has been there for longest (seconds)."""
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    found = [processes.look(pid) for pid in node_programs(node)]
    ticks_s = os.sysconf("SC_CLK_TCK")
    return max((now_s - process.start_ticks / ticks_s for process in found if process is not None), default=0.0)


@pytest.mark.fault("cut-reported")
def test_cut_then_is_reported_within_20_s(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """With the launcher's own settings of ssh; the cable is pulled silently, so that nothing but time tells."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="ticks", lease_s=60, grace_s=1) as going:
        going.wait_up()
        cluster.nodes[1].cut(silent=True)
        cut_at_s = time.monotonic()
        going.started.wait_for(lambda line: "no answer, trying again" in line, 40)
        measured("link cut to its report", time.monotonic() - cut_at_s, 20)
        cluster.nodes[1].mend()
        going.started.interrupt()
        ended = going.end()
    ended.check(130, ["stopped", "stopped"])


@pytest.mark.fault("connection-killed")
def test_shared_connection_that_is_killed_then_another_is_made(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """The processes that hold the shared connections (ControlPersist) are killed: no line is lost or repeated."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks") as going:
        going.wait_up()
        masters = _masters(cluster)
        assert len(masters) >= 2
        kill(masters)
        for rank in (0, 1):
            shown = int(going.lines(rank)[-1].split()[1])
            going.wait_for(rank, f"tick {shown + 4} on node {rank}")
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok"])


def _masters(cluster: Cluster) -> list[int]:
    """Return the ssh processes of the control side that hold shared connections; they name themselves so."""
    pids = members("net", namespace(cluster.control_pid, "net"))
    return [pid for pid in pids if b"[mux]" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.fault("poll-killed")
def test_poll_that_is_killed_on_its_node_then_is_made_again(make_nodes: MakeNodes, tmp_path: Path, door: Door) -> None:
    """As when a node has no memory left and the kernel chooses the small program that asks for news: five times."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks") as going:
        going.wait_up()
        for _number in range(5):
            _kill_poll(cluster.nodes[1])
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok"])
    assert any("no answer, trying again" in line.text for line in going.started.lines)


def _kill_poll(node: Node) -> None:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        for pid in node_programs(node):
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.005)
    message = "no poll was seen within 20 s"
    raise AssertionError(message)


@pytest.mark.fault("sshd-listener-stopped")
def test_sshd_that_takes_no_new_sessions_then_the_shared_connection_goes_on(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Only the listener ends, as when a node is to take no new logins; nobody notices."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks") as going:
        going.wait_up()
        cluster.nodes[1].stop_sshd()
        shown = int(going.lines(1)[-1].split()[1])
        going.wait_for(1, f"tick {shown + 4} on node 1")
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok"])
    assert not [line.text for line in going.started.lines if "no answer" in line.text]
