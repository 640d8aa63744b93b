# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of a run go with it, and those of others stay; one that refuses is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.docker import containers, refuse
from tests.faults.going import left_of_runs
from tests.faults.models import ONE_FAILS, TICKS
from tests.integration.models import add_model, wrap_madengine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

# On SIGINT madengine removes its container; one that does not come to it leaves it.
LEAVES_CONTAINERS = "trap '' INT TERM\nexec madengine \"$@\"\n"


def _prepared(make_nodes: MakeNodes) -> tuple[Cluster, str]:
    cluster = make_nodes(2)
    add_model(cluster, "fails", ONE_FAILS + TICKS)
    return cluster, wrap_madengine(cluster, LEAVES_CONTAINERS)


@pytest.mark.fault("container-left")
def test_containers_that_madengine_leaves_then_are_removed(make_nodes: MakeNodes, tmp_path: Path, door: Door) -> None:
    """Those that mount the run's own work directory; one that mounts something else stays."""
    cluster, madengine = _prepared(make_nodes)
    with door.launch(cluster, tmp_path, model="fails", madengine_path=madengine, grace_s=1) as going:
        going.wait_for(1, "rank 1 gives up")
        assert len(containers(cluster.nodes[0])) == 2
        ended = going.end()
    ended.check(1, ["stopped", "failed"], culprit=1)


@pytest.mark.fault("container-refuses")
def test_container_that_refuses_to_stop_then_is_named_and_its_host_is_not_clean(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """The exit code is that of the run; what is left is named with its host, and nothing is claimed."""
    cluster, madengine = _prepared(make_nodes)
    refuse(cluster.nodes[0])
    with door.launch(cluster, tmp_path, model="fails", madengine_path=madengine, grace_s=1) as going:
        ended = going.end()
    assert (ended.outcome["exit_code"], ended.culprit, ended.states) == (1, 1, ["stopped", "failed"])
    assert ended.clean == [False, True]
    there = [name for name in containers(cluster.nodes[0]) if name != "other"]
    assert [text.split(" (")[0] for text in ended.outcome["ranks"][0]["left"]] == [f"container {there[0]}"]
    assert "device or resource busy" in ended.outcome["ranks"][0]["left"][0]
    going.check_lines([0, 1])
    assert left_of_runs(cluster) == {"node01": [f"container {there[0]}"]}
