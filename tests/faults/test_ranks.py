# SPDX-License-Identifier: GPL-3.0-or-later
"""A rank goes wrong: the first failure is named, the others are stopped, and nothing is left of any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import Door, check_clean
from tests.faults.models import DEAF, ESCAPES, ONE_FAILS, TICKS, kill_recorded, status_of
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]


@pytest.mark.fault("rank-exits")
def test_rank_that_exits_then_is_named_and_the_others_are_stopped(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Exit code 1 of the rank's madengine or not: the rank is named, the others are marked as stopped by us."""
    cluster = make_cluster(3)
    add_model(cluster, "fails", ONE_FAILS + TICKS)
    with door.launch(cluster, tmp_path, model="fails") as going:
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 1, ["stopped", "failed", "stopped"])
    assert "exit code 9" in ended.outcome["first_failure"]["reason"]
    assert "rank 1 gives up" in going.lines(1)
    # The last lines are the model's own, and not those of madengine's report behind them.
    assert "rank 1 gives up" in ended.outcome["ranks"][1]["last_lines"]
    assert ended.clean == [True] * 3
    going.check_lines(0, 1, 2)
    check_clean(cluster)


@pytest.mark.fault("rank-killed")
def test_rank_that_is_killed_then_is_named_with_its_signal(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """SIGKILL, as the kernel sends it when memory runs out: what madengine had started is ended too."""
    cluster = make_cluster(3)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks") as going:
        for rank in range(3):
            going.wait_for(rank, f"tick 3 on node {rank}")
        kill_recorded(cluster.nodes[2], going.run_id, 2, "child")
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 2, ["stopped", "stopped", "failed"])
    assert (ended.outcome["ranks"][2]["signal"], ended.clean) == (9, [True] * 3)
    going.check_lines(0, 1, 2)
    check_clean(cluster)


@pytest.mark.fault("supervisor-killed")
def test_supervisor_that_is_killed_then_its_rank_is_lost_and_cleaned_up(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Nobody watches the job any more: it is ended all the same, and the host is looked at again."""
    cluster = make_cluster(3)
    add_model(cluster, "deaf", "trap '' INT TERM HUP\n" + TICKS)
    with door.launch(cluster, tmp_path, model="deaf") as going:
        for rank in range(3):
            going.wait_for(rank, f"tick 3 on node {rank}")
        kill_recorded(cluster.nodes[1], going.run_id, 1, "supervisor")
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 1, ["stopped", "lost", "stopped"])
    assert ended.outcome["first_failure"]["reason"] == "the process that watched over the rank on its node is gone"
    assert ended.clean == [True] * 3
    check_clean(cluster)


@pytest.mark.fault("rank-ignores-signals")
def test_rank_that_ignores_signals_then_is_killed_after_the_grace(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """SIGINT and SIGTERM change nothing; SIGKILL comes after two graces."""
    cluster = make_cluster(3)
    add_model(cluster, "deaf", DEAF)
    with door.launch(cluster, tmp_path, model="deaf", grace_s=2) as going:
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 1, ["stopped", "failed", "stopped"])
    assert ended.clean == [True] * 3
    stopped = [status_of(cluster.nodes[rank], going.run_id, rank) for rank in (0, 2)]
    seen = [(status["ended_by"], status["stop_reason"], status["left"]) for status in stopped]
    assert seen == [("stop", "gang", 0)] * 2
    going.check_lines(0, 1, 2)
    check_clean(cluster)


@pytest.mark.fault("children-escape")
def test_children_that_escape_then_are_found_and_killed(make_cluster: MakeCluster, tmp_path: Path, door: Door) -> None:
    """A session of their own, a double fork, no open descriptor, deaf to signals: none is left."""
    cluster = make_cluster(3)
    add_model(cluster, "escapes", ESCAPES)
    with door.launch(cluster, tmp_path, model="escapes") as going:
        going.wait_for(0, "children are away")
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states) == (door.failed, 1, ["stopped", "failed", "stopped"])
    assert ended.clean == [True] * 3
    going.check_lines(0, 1, 2)
    check_clean(cluster)
