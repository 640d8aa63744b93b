# SPDX-License-Identifier: GPL-3.0-or-later
"""The request to stop a run: a file where there is room, a link on a full disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir

from madlaunch import stop_request

if TYPE_CHECKING:
    import pytest


def _full(*_args: object, **_options: object) -> int:
    raise OSError(28, "No space left on device")


def test_request_when_there_is_room_then_the_collection_reads_it(tmp_path: Path) -> None:
    """The folder is made, and no draft stays."""
    assert stop_request.leave(tmp_path / "control") == ""
    assert ControlDir(tmp_path).user_request() == {"reason": "interrupt"}
    assert [path.name for path in (tmp_path / "control").iterdir()] == ["stop"]


def test_request_when_the_disk_is_full_then_the_collection_reads_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link needs no room of its own."""
    monkeypatch.setattr(Path, "write_text", _full)
    assert stop_request.leave(tmp_path / "control") == ""
    assert ControlDir(tmp_path).user_request() == {"reason": "interrupt"}


def test_request_when_there_is_one_already_then_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both forms the first one counts."""
    control = tmp_path / "control"
    control.mkdir()
    (control / "stop").write_text(json.dumps({"reason": "user"}))
    assert stop_request.leave(control) == ""
    monkeypatch.setattr(Path, "write_text", _full)
    assert stop_request.leave(control) == ""
    assert ControlDir(tmp_path).user_request() == {"reason": "user"}


def test_request_when_it_cannot_be_left_then_says_why(tmp_path: Path) -> None:
    """A file is in the way of the folder."""
    (tmp_path / "control").write_text("")
    assert stop_request.leave(tmp_path / "control") == f"{tmp_path}/control/stop: Not a directory"
