# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are not as they should be: full disks, a wrong clock, a shared home, a start that takes its time."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import ClusterOptions
from tests.faults.docker import WITH_DOCKER
from tests.faults.doors import LAUNCHER_DOOR, PLAYBOOK_DOOR
from tests.faults.going import check_clean
from tests.faults.models import ONE_FAILS, TICKS, enough
from tests.integration.models import add_model
from tests.integration.running import seconds_until
from tests.integration.test_gate import at_gate, enlarge, make_slow, run_id_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

SKEW_S = 600.0
SLOW_LEASE_S = 4
NOISE_LINES = 3000


@pytest.mark.fault("disk-full-node")
def test_disk_of_a_node_that_gets_full_then_its_rank_is_ended_and_recorded_all_the_same(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Status, lease and stop need no new space; another rank fails, and the full node stops too.

    Its own madengine may be the one that fails first, for it cannot write any more.
    """
    cluster = make_nodes(2, overrides={0: replace(WITH_DOCKER, state_kib=8192)})
    waits = 'if [ "$NODE_RANK" = 1 ]; then until [ -e /nfs/data/full ]; do sleep 0.1; done; fi\n'
    add_model(cluster, "fails", waits + ONE_FAILS + TICKS)
    with door.launch(cluster, tmp_path, model="fails", skip_checks=["free_space"]) as going:
        going.wait_for(0, "tick 3 on node 0")
        cluster.nodes[0].fill("/home/mluser/.local/state/madlaunch")
        (cluster.shared / "full").touch()
        ended = going.end()
    assert set(ended.states) in ({"failed"}, {"failed", "stopped"})
    assert ended.culprit is not None
    assert ended.states[ended.culprit] == "failed"
    ended.check(1, ended.states, culprit=ended.culprit)


@pytest.mark.fault("disk-full-control")
def test_disk_of_the_control_node_that_is_full_then_the_run_goes_on_and_the_node_has_the_log(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """The lines are shown; that the log here is not complete is said; the node has it whole."""
    cluster = make_nodes(2)
    noise = f'for n in $(seq 1 {NOISE_LINES}); do echo "line $n of a log that does not fit into a small disk"; done\n'
    add_model(cluster, "noisy", noise + 'echo "performance: 1 runs"\n')
    small = cluster.base / "small"
    small.mkdir()
    cluster.mount_small(small, 128)
    with door.launch(cluster, tmp_path, model="noisy", log_dir=str(small)) as going:
        going.started.end(90)
    shown = [line.text for line in going.started.lines]
    assert sum("the log on the control node is not complete" in text for text in shown) == 2, going.started.errors()
    for rank in (0, 1):
        assert going.lines(rank) == going.log_on_node(rank).decode().splitlines()
        assert len(going.lines(rank)) > NOISE_LINES
    # What the ranks came to could not be kept, but was seen.
    assert going.started.process.returncode == 0
    check_clean(cluster)


@pytest.mark.fault("disk-full-ctrl-c")
def test_disk_of_the_control_node_that_is_full_then_ctrl_c_stops_the_run_all_the_same(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """The request to stop needs no room."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    small = cluster.base / "small"
    small.mkdir()
    cluster.mount_small(small, 128)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="ticks", log_dir=str(small)) as going:
        going.wait_up()
        cluster.run(["sh", "-c", f"cat /dev/zero >{small}/filler || true"])
        going.started.interrupt()
        done = going.started.finish(30)
    # The logs here have no more room; that the hosts are clean was seen, not written down.
    told = [(rank["state"], rank["clean"]) for rank in done.outcome["ranks"]]
    assert (done.returncode, told) == (130, [("stopped", True)] * 2), done.stderr
    check_clean(cluster)


@pytest.mark.fault("clock-off")
def test_clock_that_is_10_minutes_off_then_the_first_failure_is_still_the_first(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """The preflight refuses it; skipped, by its own clock the second rank failed ten minutes before the first."""
    cluster = make_nodes(2, overrides={1: replace(WITH_DOCKER, clock_skew_s=-SKEW_S)})
    # Both end by themselves: rank 1 two seconds after rank 0, which nobody stops before that.
    add_model(cluster, "two_fail", 'case "$NODE_RANK" in 0) sleep 1;; 1) sleep 3;; esac\nexit 9\n')
    with door.launch(cluster, tmp_path, model="two_fail") as refused:
        assert refused.started.end() == (3 if door is LAUNCHER_DOOR else 2)
        assert "clock" in "\n".join(line.text for line in refused.started.lines)
    with door.launch(cluster, tmp_path, model="two_fail", skip_checks=["clock"], on_failure="wait") as going:
        ended = going.end()
    ended.check(1, ["failed", "failed"], culprit=0)
    assert ended.outcome["ranks"][0]["ended_at_s"] - ended.outcome["ranks"][1]["ended_at_s"] > SKEW_S / 2


@pytest.mark.fault("shared-home")
def test_home_that_all_nodes_share_then_each_host_ends_its_own_rank(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """The run directories of all ranks lie side by side; none is taken for another's."""
    cluster = make_nodes(3, options=ClusterOptions(shared_home=True))
    add_model(cluster, "fails", ONE_FAILS + TICKS)
    with door.launch(cluster, tmp_path, model="fails") as going:
        ended = going.end()
    ended.check(1, ["stopped", "failed", "stopped"], culprit=1)


@pytest.mark.fault("slow-host")
def test_host_whose_start_takes_longer_than_the_lease_then_all_ranks_begin_together(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """The ranks that are ready wait for it, and waiting costs none of them its lease."""
    cluster = make_nodes(3)
    add_model(cluster, "ticks", TICKS)
    enlarge(cluster)
    with PLAYBOOK_DOOR.launch(cluster, tmp_path, model="ticks", lease_s=SLOW_LEASE_S) as going:
        pid = make_slow(cluster)
        run_id = run_id_of(cluster)
        seconds_until(lambda: at_gate(cluster, run_id), 20)
        time.sleep(SLOW_LEASE_S + 3)
        assert at_gate(cluster, run_id)
        os.kill(pid, signal.SIGCONT)
        going.wait_up()
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok", "ok"])
    began = [rank["started_at_s"] for rank in ended.outcome["ranks"]]
    assert max(began) - min(began) < SLOW_LEASE_S
