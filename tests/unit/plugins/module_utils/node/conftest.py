# SPDX-License-Identifier: GPL-3.0-or-later
"""A node on this machine for each test, with nothing left of it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
