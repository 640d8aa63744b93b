# SPDX-License-Identifier: GPL-3.0-or-later
"""Test nodes for the faults, and the measured figures at the end of the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import _namespaces, make_cluster
from tests.faults import docker
from tests.faults.doors import DOORS, Door
from tests.faults.measuring import read_figures

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from tests.cluster.fixtures import MakeCluster

__all__ = ["_namespaces", "make_cluster"]

MakeNodes = Callable[..., Cluster]


@pytest.fixture
def make_nodes(make_cluster: MakeCluster) -> MakeNodes:
    """Make nodes with a docker for one test; takes their number, and the keyword arguments of `Cluster`."""

    def make(count: int, **options: object) -> Cluster:
        made = make_cluster(count, **{"node": docker.WITH_DOCKER, **options})
        docker.install(made)
        return made

    return make


@pytest.fixture(params=DOORS, ids=lambda door: door.name)
def door(request: pytest.FixtureRequest) -> Door:
    """The launcher, and plain ansible-playbook."""
    found = request.param
    assert isinstance(found, Door)
    return found


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print what was measured beside what it may be."""
    figures = read_figures()
    if figures:
        terminalreporter.section("measured")
    for line in figures:
        terminalreporter.write_line(line)
