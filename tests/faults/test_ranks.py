# SPDX-License-Identifier: GPL-3.0-or-later
"""A rank goes wrong: the first failure is named, the others are stopped, and nothing is left of any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.models import DEAF, DEAF_TICKS, ESCAPES, ONE_FAILS, TICKS, kill_recorded
from tests.integration.models import add_model
from tests.integration.running import status_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

ONE_FAILED = ["stopped", "failed", "stopped"]


@pytest.mark.fault("rank-exits")
def test_rank_that_exits_then_is_named_and_the_others_are_stopped(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """The rank is named with its exit code and its last lines, the others are marked as stopped by us."""
    cluster = make_nodes(3)
    add_model(cluster, "fails", ONE_FAILS + TICKS)
    with door.launch(cluster, tmp_path, model="fails") as going:
        ended = going.end()
    ended.check(1, ONE_FAILED, culprit=1)
    assert "exit code 9" in ended.reason
    assert "rank 1 gives up" in going.lines(1)
    # The last lines are the model's own, and not those of madengine's report behind them.
    assert "rank 1 gives up" in ended.outcome["ranks"][1]["last_lines"]


@pytest.mark.fault("rank-killed")
def test_rank_that_is_killed_then_is_named_with_its_signal(make_nodes: MakeNodes, tmp_path: Path, door: Door) -> None:
    """SIGKILL, as the kernel sends it when memory runs out: what madengine had started is ended too."""
    cluster = make_nodes(3)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks") as going:
        going.wait_up()
        kill_recorded(cluster.nodes[2], going.run_id, 2, "child")
        ended = going.end()
    ended.check(1, ["stopped", "stopped", "failed"], culprit=2)
    assert ended.outcome["ranks"][2]["signal"] == 9
    assert "SIGKILL" in ended.reason


@pytest.mark.fault("supervisor-killed")
def test_supervisor_that_is_killed_then_its_rank_is_lost_and_cleaned_up(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Nobody watches the job any more: it is ended all the same, and the host is looked at again."""
    cluster = make_nodes(3)
    add_model(cluster, "deaf", DEAF_TICKS)
    with door.launch(cluster, tmp_path, model="deaf", grace_s=1) as going:
        going.wait_up()
        kill_recorded(cluster.nodes[1], going.run_id, 1, "supervisor")
        ended = going.end()
    # What its job wrote while it was being ended is on its node.
    ended.check(1, ["stopped", "lost", "stopped"], culprit=1)
    assert ended.reason == "the process that watched over the rank on its node is gone"


@pytest.mark.fault("rank-ignores-signals")
def test_rank_that_ignores_signals_then_is_killed_after_the_grace(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """SIGINT and SIGTERM change nothing; SIGKILL comes after two graces."""
    cluster = make_nodes(3)
    add_model(cluster, "deaf", DEAF)
    with door.launch(cluster, tmp_path, model="deaf", grace_s=1) as going:
        ended = going.end()
    ended.check(1, ONE_FAILED, culprit=1)
    stopped = [status_on(cluster.nodes[rank], going.run_id, rank) for rank in (0, 2)]
    seen = [(status["ended_by"], status["stop_reason"], status["left"]) for status in stopped]
    assert seen == [("stop", "gang", 0)] * 2


@pytest.mark.fault("children-escape")
def test_children_that_escape_then_are_found_and_killed(make_nodes: MakeNodes, tmp_path: Path, door: Door) -> None:
    """A session of their own, a double fork, no open descriptor, deaf to signals: none is left."""
    cluster = make_nodes(3)
    add_model(cluster, "escapes", ESCAPES)
    with door.launch(cluster, tmp_path, model="escapes", grace_s=1) as going:
        ended = going.end()
    assert [going.lines(rank).count("children are away") for rank in range(3)] == [1, 0, 1]
    ended.check(1, ONE_FAILED, culprit=1)
