# SPDX-License-Identifier: GPL-3.0-or-later
"""Pytest fixtures: nodes for a whole test session, nodes made for one test, and the look at what a test left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.loopback import LEFT_OUT, LoopbackCluster
from tests.cluster.namespaces import can_unshare
from tests.cluster.processes import end, start_ticks

if TYPE_CHECKING:
    from tests.cluster.base import AnyCluster

_NODES = 4
MakeCluster = Callable[..., Cluster]


@pytest.fixture(scope="session")
def _namespaces() -> bool:
    """Whether nodes can have namespaces here; asked once."""
    return can_unshare()


@pytest.fixture(scope="session")
def session_cluster(_namespaces: bool) -> Iterator[AnyCluster]:  # noqa: FBT001 - a fixture
    """Four nodes with madengine 2 for all tests of a session; tests take `cluster` or `node_cluster` instead."""
    with Cluster(_NODES) if _namespaces else LoopbackCluster(_NODES) as made:
        yield made


@pytest.fixture
def cluster(session_cluster: AnyCluster) -> Iterator[AnyCluster]:
    """Four nodes, in namespaces where possible, otherwise on loopback; a test leaves no process of a run on them."""
    yield session_cluster
    _nothing_left(session_cluster)


@pytest.fixture
def node_cluster(_namespaces: bool, request: pytest.FixtureRequest) -> Iterator[Cluster]:  # noqa: FBT001 - a fixture
    """Four nodes in namespaces, the same as those of `cluster`; a test that breaks one mends it again."""
    _need(_namespaces)
    made = request.getfixturevalue("session_cluster")
    assert isinstance(made, Cluster)
    yield made
    _nothing_left(made)


@pytest.fixture
def make_cluster(_namespaces: bool) -> Iterator[MakeCluster]:  # noqa: FBT001 - a fixture
    """Make nodes in namespaces for one test; takes the arguments of `Cluster`."""
    _need(_namespaces)
    with contextlib.ExitStack() as stack:
        made: list[Cluster] = []

        def make(*arguments: object, **options: object) -> Cluster:
            made.append(stack.enter_context(Cluster(*arguments, **options)))  # type: ignore[arg-type]  # as the caller gave them
            return made[-1]

        yield make
        for each in made:
            _nothing_left(each)


def _need(namespaces: bool) -> None:  # noqa: FBT001 - one fact, handed on
    if not namespaces:
        pytest.skip(f"needs root, for nodes in network namespaces ({LEFT_OUT[1]})")


def _nothing_left(cluster: AnyCluster) -> None:
    """Fail a test that leaves processes of a run on its nodes, and end them for the next test."""
    left = cluster.run_processes()
    pids = {process.pid for processes in left.values() for process in processes}
    words = [
        f"{name}: {process.pid} {' '.join(process.argv)}" for name, processes in left.items() for process in processes
    ]
    for pid in pids:
        end(pid, start_ticks(pid), timeout_s=0.5)
    if words:
        pytest.fail("the test left processes of a run:\n" + "\n".join(words))
