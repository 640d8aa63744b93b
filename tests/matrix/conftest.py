# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as the ansible-core of this environment builds and installs it, and nodes with many Pythons."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import ansible.release
import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.namespaces import can_unshare
from tests.cluster.options import ClusterOptions, NodeOptions
from tests.matrix.doors import Estate
from tests.matrix.pythons import found

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def core() -> tuple[int, int]:
    """The version of ansible-core under test, without its last part."""
    major, minor, _rest = ansible.release.__version__.split(".", 2)
    return int(major), int(minor)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections with nothing in it but ours, built and installed by this ansible-core."""
    folder = tmp_path_factory.mktemp("collections")
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    archive = next(folder.glob("*.tar.gz"))
    install = ["ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", str(folder), str(archive)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="session")
def mixed_cluster() -> Iterator[Cluster]:
    """One node for each Python from 3.8 on that this machine has, and at least two nodes."""
    if not can_unshare():
        pytest.skip("needs root, for nodes in network namespaces")
    pythons = found()
    nodes = {rank: NodeOptions(python=path) for rank, path in enumerate(pythons.values())}
    visible = tuple(sorted({path.parent.parent for path in pythons.values()} - {Path("/usr")}))
    with Cluster(max(2, len(nodes)), overrides=nodes, options=ClusterOptions(visible=visible)) as made:
        yield made


@pytest.fixture
def estate(mixed_cluster: Cluster, installed: Path) -> Iterator[Estate]:
    """The control side of an estate with these nodes; a run that a test leaves on them fails it."""
    # Sockets lie below the home: its name must be short.
    with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as home:
        made = Estate(mixed_cluster, installed, Path(home))
        yield made
        assert mixed_cluster.run_processes() == {}
