# SPDX-License-Identifier: GPL-3.0-or-later
"""Test nodes for the faults, and the measured figures at the end of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.fixtures import _namespaces, cluster, make_cluster, node_cluster, session_cluster
from tests.faults.doors import DOORS, Door
from tests.faults.measuring import read_figures

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["_namespaces", "cluster", "make_cluster", "node_cluster", "session_cluster"]


@pytest.fixture(params=DOORS, ids=lambda door: door.name)
def door(request: pytest.FixtureRequest) -> Door:
    """The launcher, and plain ansible-playbook."""
    found = request.param
    assert isinstance(found, Door)
    return found


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print what was measured beside what it may be; a figure above its bar has failed its test already."""
    figures = read_figures()
    if figures:
        terminalreporter.section("measured")
    for line in figures:
        terminalreporter.write_line(line)
