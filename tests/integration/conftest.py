# SPDX-License-Identifier: GPL-3.0-or-later
"""Test nodes for the integration tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.fixtures import _namespaces, cluster, make_cluster, node_cluster, session_cluster
from tests.integration.estating import Estate, estate_of, install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster

__all__ = ["_namespaces", "cluster", "installed", "make_cluster", "node_cluster", "node_estate", "session_cluster"]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of collections into which this one was installed as an artifact, and in which nothing else is."""
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def node_estate(node_cluster: Cluster, installed: Path, tmp_path: Path) -> Iterator[Estate]:
    """An estate for the nodes of `node_cluster`."""
    with estate_of(node_cluster, tmp_path, installed) as made:
        yield made
