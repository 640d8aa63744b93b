# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are not as they should be: full disks, a wrong clock, a shared home, another run of the same user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import ClusterOptions, NodeOptions
from tests.faults.doors import LAUNCHER_DOOR, Door, check_clean
from tests.faults.models import ONE_FAILS, TICKS
from tests.integration.launching import LAUNCHER, REPOSITORY, environment, read_events
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

SHORT = TICKS.replace("seq 1 600", "seq 1 30")
SKEW_S = 600.0


@pytest.mark.fault("disk-full-node")
def test_disk_of_a_node_that_gets_full_then_its_rank_is_ended_and_recorded_all_the_same(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Status, lease and stop need no new space; another rank fails, and the full node stops too."""
    cluster = make_cluster(2, overrides={0: NodeOptions(state_kib=8192)})
    add_model(cluster, "fails", ONE_FAILS.replace("sleep 3", "sleep 8") + TICKS)
    with door.launch(cluster, tmp_path, model="fails", skip_checks=["free_space"]) as going:
        going.wait_for(0, "tick 3 on node 0")
        cluster.nodes[0].fill("/home/mluser/.local/state/madlaunch")
        ended = going.end()
    assert (ended.code, ended.outcome["exit_code"]) == (door.failed, 1)
    assert [state for state in ended.states if state not in {"failed", "stopped"}] == []
    assert ended.clean == [True, True]
    check_clean(cluster)


@pytest.mark.fault("disk-full-control")
def test_disk_of_the_control_node_that_is_full_then_the_run_goes_on_and_the_node_has_the_log(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """The lines are shown; that the log here is not complete is said; the node has it whole."""
    cluster = make_cluster(2)
    noise = 'for n in $(seq 1 3000); do echo "line $n of a log that does not fit into a small disk"; done\n'
    add_model(cluster, "noisy", noise + SHORT)
    small = cluster.base / "small"
    small.mkdir()
    cluster.mount_small(small, 128)
    words = [*cluster.launcher_args(), "--output", "json", "--model", "noisy", "--log-dir", str(small)]
    done = cluster.run([*LAUNCHER, *words], cwd=REPOSITORY, env=environment(tmp_path))
    events = read_events(done.stdout.splitlines())
    lines = [event for event in events if event["event"] == "line" and event["text"].startswith("line ")]
    assert len(lines) == 6000
    notes = [event["text"] for event in events if event["event"] == "note"]
    assert any("the log on the control node is not complete" in note for note in notes), (notes, done.stderr)
    assert done.returncode != 130
    check_clean(cluster)


@pytest.mark.fault("clock-off")
def test_clock_that_is_10_minutes_off_then_the_first_failure_is_still_the_first(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """By its own clock the second rank failed ten minutes before the first."""
    cluster = make_cluster(3, overrides={2: NodeOptions(clock_skew_s=-SKEW_S)})
    # Both end by themselves: rank 2 three seconds after rank 1, which nobody stops before that.
    both = 'case "$NODE_RANK" in 1) sleep 2; exit 9;; 2) sleep 5; exit 9;; esac\n'
    add_model(cluster, "two_fail", both + SHORT)
    with door.launch(cluster, tmp_path, model="two_fail", skip_checks=["clock"], on_failure="wait") as going:
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 1, ["ok", "failed", "failed"])
    assert ended.outcome["ranks"][1]["ended_at_s"] - ended.outcome["ranks"][2]["ended_at_s"] > SKEW_S / 2
    assert ended.clean == [True] * 3
    going.check_lines(0, 1, 2)
    check_clean(cluster)


@pytest.mark.fault("shared-home")
def test_home_that_all_nodes_share_then_each_host_ends_its_own_rank(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """The run directories of all ranks lie side by side; none is taken for another's."""
    cluster = make_cluster(3, options=ClusterOptions(shared_home=True))
    add_model(cluster, "fails", ONE_FAILS + TICKS)
    with door.launch(cluster, tmp_path, model="fails") as going:
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 1, ["stopped", "failed", "stopped"])
    assert ended.clean == [True] * 3
    going.check_lines(0, 1, 2)
    check_clean(cluster)


@pytest.mark.fault("two-runs")
def test_two_runs_on_the_same_nodes_then_the_end_of_one_does_not_touch_the_other(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """Same user, same nodes, allowed by --share-hosts: one is interrupted, the other trains to its end."""
    cluster = make_cluster(2)
    add_model(cluster, "ticks", TICKS)
    add_model(cluster, "short", TICKS.replace("seq 1 600", "seq 1 80"))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with LAUNCHER_DOOR.launch(cluster, tmp_path / "one", model="ticks") as first:
        first.wait_for(1, "tick 2 on node 1")
        given = {"model": "short", "master_port": 4001}
        with LAUNCHER_DOOR.launch(cluster, tmp_path / "two", **given) as refused:
            ended = refused.end()
        assert (ended.code, ended.outcome["state"]) == (3, "preflight")
        assert first.run_id in "\n".join(ended.shown)
        with LAUNCHER_DOOR.launch(cluster, tmp_path / "two", **given, share_hosts=True) as second:
            second.wait_for(1, "tick 2 on node 1")
            first.started.interrupt()
            interrupted = first.end()
            good = second.end()
    assert (interrupted.code, interrupted.states, interrupted.clean) == (130, ["stopped", "stopped"], [True, True])
    assert (good.code, good.states, good.clean) == (0, ["ok", "ok"], [True, True])
    second.check_lines(0, 1)
    check_clean(cluster)
