# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts by the dozen on loopback: real SSH servers, and a madengine that costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.loopback import LoopbackCluster
from tests.cluster.options import NodeOptions

MakeHosts = Callable[[int], LoopbackCluster]

# What the launcher asks of madengine 2, and a model that ends as its tag says. A shell: with 256 of them on one machine
# the stand-in in Python would be most of what is measured.
_MADENGINE = r"""#!/bin/sh
case $1 in
  --version) echo "madengine 2.1.0"; exit ;;
  discover) exit ;;
esac
echo "line of rank $NODE_RANK"
case $3 in
  fails) [ "$NODE_RANK" != 100 ] || exit 3 ;;
  trains) printf '%s\n' model,performance,metric,status m,1,run,SUCCESS >perf.csv; exit ;;
esac
exec sleep 900
"""


@pytest.fixture
def make_hosts(tmp_path: Path) -> Iterator[MakeHosts]:
    """Make so many hosts for one test; their servers have the limits that sshd has by itself."""
    made: list[LoopbackCluster] = []

    def make(count: int) -> LoopbackCluster:
        cluster = LoopbackCluster(count, NodeOptions(madengine=""))
        made.append(cluster)
        program = tmp_path / "madengine"
        program.write_text(_MADENGINE)
        program.chmod(0o755)
        for node in cluster.nodes:
            (node.home.parent / "bin" / "madengine").symlink_to(program)
        return cluster

    yield make
    for cluster in made:
        cluster.close()
