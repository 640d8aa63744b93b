# SPDX-License-Identifier: GPL-3.0-or-later
"""A node on this machine for each test, with nothing left of it afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import containers

from tests.unit.plugins.module_utils.node.fake_docker import FakeDocker, install
from tests.unit.plugins.module_utils.node.local_node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A login with a small MAD checkout and no runs yet."""
    node = Node(tmp_path)
    node.mad_dir.mkdir()
    (node.mad_dir / "models.json").write_text("[]")
    yield node
    node.kill_everything()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """A docker on PATH, and no podman."""
    fake = install(tmp_path / "docker")
    monkeypatch.setenv("PATH", f"{fake.folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(containers, "ENGINES", ("docker",))
    return fake
