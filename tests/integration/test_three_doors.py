# SPDX-License-Identifier: GPL-3.0-or-later
"""The same launch, failure, stop and collect through three doors, on the same nodes: the outcomes are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.running import check_nothing_left
from tests.integration.three_doors import DOORS, Door, Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]


def _trains(door: Door) -> list[Told]:
    with door.launch("demo_sleep", DEMO_SECONDS="1") as going:
        return [going.end()]


def _fails(door: Door) -> list[Told]:
    with door.launch("demo_fail", DEMO_FAIL_AFTER_S="0") as going:
        ended = going.end()
    return [ended, door.collect(going.run_id)]


def _is_stopped(door: Door) -> list[Told]:
    with door.launch("demo_sleep", DEMO_SECONDS="300") as going:
        going.wait_for("tick 1 of 300 on node 0")
        assert door.stop(going.run_id)
        return [going.end()]


SCENARIOS: dict[str, tuple[Callable[[Door], list[Told]], bool, list[str], int | None]] = {
    "trains": (_trains, True, ["ok"] * 2, None),
    "fails": (_fails, False, ["stopped", "failed"], 1),
    "is-stopped": (_is_stopped, False, ["stopped"] * 2, None),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_run_when_made_through_each_door_then_tells_the_same(
    node_cluster: Cluster, tmp_path: Path, scenario: str
) -> None:
    """Per rank: state, reason, exit code, signal, performance, and what is left; from the launch and from collect."""
    act, good, states, culprit = SCENARIOS[scenario]
    told = {}
    for kind in DOORS:
        (tmp_path / kind.__name__).mkdir()
        told[kind.__name__] = act(kind(node_cluster, tmp_path / kind.__name__))
        check_nothing_left(node_cluster)
    expected = told["LauncherDoor"]
    for one in expected:
        assert (one.good, [rank["state"] for rank in one.ranks], one.first_failure) == (good, states, culprit)
    assert told == dict.fromkeys(told, expected)
