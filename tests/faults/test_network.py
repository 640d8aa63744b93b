# SPDX-License-Identifier: GPL-3.0-or-later
"""A host cannot be reached, for a while or for good: a short cut costs nothing, a long one ends the run everywhere."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import members, namespace
from tests.faults.doors import LAUNCHER_DOOR, Door, check_clean
from tests.faults.measuring import measured
from tests.faults.models import TICKS, status_of
from tests.integration.models import add_model
from tests.integration.running import processes_of_runs, seconds_until

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster
    from tests.faults.doors import Going

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LEASE_S = 10
# Seconds from the moment at which the host is given up: lease, two graces, 10; then a last try, and the stop.
GIVEN_UP_S = 60
SHORT = TICKS.replace("seq 1 600", "seq 1 60")


def _wait_up(going: Going, count: int) -> None:
    for rank in range(count):
        going.wait_for(rank, f"tick 3 on node {rank}")


def _hasty(cluster: Cluster) -> str:
    """Arguments of ssh by which it notices sooner that nobody answers."""
    return f"{cluster.access.ssh_args()} -o ServerAliveInterval=1 -o ConnectTimeout=3"


@pytest.mark.fault("cut-short")
def test_cut_shorter_than_the_lease_then_changes_nothing(make_cluster: MakeCluster, tmp_path: Path, door: Door) -> None:
    """The run goes on, is good, and no line is lost or repeated."""
    cluster = make_cluster(2)
    add_model(cluster, "ticks", SHORT)
    with door.launch(cluster, tmp_path, model="ticks", lease_s=30) as going:
        _wait_up(going, 2)
        cluster.nodes[1].cut()
        time.sleep(4)
        cluster.nodes[1].mend()
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states, ended.clean) == (0, None, ["ok", "ok"], [True, True])
    going.check_lines(0, 1)
    check_clean(cluster)


@pytest.mark.fault("cut-for-good")
def test_cut_for_good_then_its_own_lease_ends_the_rank_and_the_host_is_named(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """The others are stopped; the host could not be looked at, which is said with what to do later."""
    cluster = make_cluster(3)
    add_model(cluster, "ticks", TICKS)
    given = {"model": "ticks", "lease_s": LEASE_S, "grace_s": 1, "ssh_args": _hasty(cluster)}
    with LAUNCHER_DOOR.launch(cluster, tmp_path, **given) as going:
        _wait_up(going, 3)
        cluster.nodes[1].cut(silent=True)
        seconds_until(lambda: processes_of_runs(cluster.nodes[1]) == [], LEASE_S + 10)
        ended = going.end(GIVEN_UP_S)
    assert (ended.code, ended.culprit, ended.states) == (1, 1, ["stopped", "lost", "stopped"])
    assert ended.clean == [True, None, True]
    assert ended.outcome["first_failure"]["reason"].startswith("the host no longer answers: ")
    assert status_of(cluster.nodes[1], going.run_id, 1)["ended_by"] == "lease"
    going.check_lines(0, 2)
    check_clean(cluster)


@pytest.mark.fault("cut-reported")
def test_cut_then_is_reported_within_20_s(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """With the launcher's own settings of ssh; the cable is pulled silently, so that nothing but time tells."""
    cluster = make_cluster(2)
    add_model(cluster, "ticks", TICKS)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="ticks", lease_s=60, grace_s=1) as going:
        _wait_up(going, 2)
        cluster.nodes[1].cut(silent=True)
        cut_at_s = time.monotonic()
        going.started.wait_for(lambda line: "no answer, trying again" in line, 40)
        measured("link cut to its report", time.monotonic() - cut_at_s, 20)
        cluster.nodes[1].mend()
        going.started.interrupt()
        assert going.end().code == 130
    check_clean(cluster)


@pytest.mark.fault("node-crash")
def test_node_that_crashes_then_is_lost_and_the_others_are_stopped(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Every process of the node is gone at once, and no connection says farewell."""
    cluster = make_cluster(3)
    add_model(cluster, "ticks", TICKS)
    given = {"model": "ticks", "lease_s": LEASE_S, "grace_s": 1, "ssh_args": _hasty(cluster)}
    with LAUNCHER_DOOR.launch(cluster, tmp_path, **given) as going:
        _wait_up(going, 3)
        cluster.nodes[2].crash()
        ended = going.end(GIVEN_UP_S)
    assert (ended.code, ended.culprit, ended.states) == (1, 2, ["stopped", "stopped", "lost"])
    assert ended.clean == [True, True, None]
    going.check_lines(0, 1)
    check_clean(cluster)


@pytest.mark.fault("sshd-stopped")
def test_sshd_that_is_stopped_then_the_host_is_lost_and_the_lease_ends_its_rank(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """No new session: the connection that is shared is ended too, as a restart of the machine's sshd would."""
    cluster = make_cluster(3)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks", lease_s=LEASE_S, grace_s=1) as going:
        _wait_up(going, 3)
        cluster.nodes[1].stop_sshd()
        # The pid file is gone with the listener: these are the sessions.
        cluster.nodes[1].exec(["sh", "-c", "kill -9 $(pidof sshd sshd-session); true"])
        ended = going.end(GIVEN_UP_S)
        cluster.nodes[1].start_sshd()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 1, ["stopped", "lost", "stopped"])
    assert ended.clean == [True, None, True]
    assert status_of(cluster.nodes[1], going.run_id, 1)["ended_by"] == "lease"
    going.check_lines(0, 2)
    check_clean(cluster)


@pytest.mark.fault("connection-killed")
def test_shared_connection_that_is_killed_then_another_is_made(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """The processes that hold the shared connections (ControlPersist) are killed: no line is lost or repeated."""
    cluster = make_cluster(2)
    add_model(cluster, "ticks", SHORT)
    with door.launch(cluster, tmp_path, model="ticks") as going:
        _wait_up(going, 2)
        masters = _masters(cluster)
        assert masters
        for pid in masters:
            os.kill(pid, signal.SIGKILL)
        ended = going.end()
    assert (ended.code, ended.states, ended.clean) == (0, ["ok", "ok"], [True, True])
    going.check_lines(0, 1)
    check_clean(cluster)


def _masters(cluster: Cluster) -> list[int]:
    """Return the ssh processes of the control side that hold shared connections; they name themselves so."""
    pids = members("net", namespace(cluster.control_pid, "net"))
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"[mux]\0")] or [
        pid for pid in pids if b"[mux]" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
