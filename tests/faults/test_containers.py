# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of a run go with it, and those of others stay; one that refuses is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.mounts import NODE_DIR
from tests.cluster.options import SYSTEM_PATH, NodeOptions
from tests.faults.docker import PATH, STARTS_CONTAINERS, containers, install
from tests.faults.doors import Door, check_clean
from tests.faults.models import ONE_FAILS, TICKS
from tests.integration.models import add_model, wrap_madengine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

WITH_DOCKER = NodeOptions(env={"PATH": f"{PATH}:{NODE_DIR}/bin:{SYSTEM_PATH}"})


def _prepared(make_cluster: MakeCluster, first_name: str) -> tuple[Cluster, str]:
    cluster = make_cluster(2, WITH_DOCKER)
    install(cluster)
    add_model(cluster, "fails", ONE_FAILS + TICKS)
    return cluster, wrap_madengine(cluster, STARTS_CONTAINERS.replace("$FIRST_NAME", first_name))


@pytest.mark.fault("container-left")
def test_containers_that_madengine_leaves_then_are_removed(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Those that mount the run's own work directory; one that mounts something else stays."""
    cluster, madengine = _prepared(make_cluster, "second")
    with door.launch(cluster, tmp_path, model="fails", madengine_path=madengine) as going:
        ended = going.end()
    assert (ended.code, ended.culprit, ended.clean) == (door.failed, 1, [True, True])
    assert [containers(node) for node in cluster.nodes] == [["other"], ["other"]]
    going.check_lines(0, 1)
    check_clean(cluster)


@pytest.mark.fault("container-refuses")
def test_container_that_refuses_to_stop_then_is_named_and_its_host_is_not_clean(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """The exit code is that of the run; what is left is named with its host, and nothing is claimed."""
    cluster, madengine = _prepared(make_cluster, "stubborn")
    with door.launch(cluster, tmp_path, model="fails", madengine_path=madengine) as going:
        ended = going.end()
    assert (ended.code, ended.culprit, ended.clean) == (door.failed, 1, [False, True])
    assert [text.split(" (")[0] for text in ended.outcome["ranks"][0]["left"]] == ["container stubborn-0"]
    assert [containers(node) for node in cluster.nodes] == [["other", "stubborn-0"], ["other"]]
    check_clean(cluster)
