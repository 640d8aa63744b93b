# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder for the sockets of shared ssh connections."""

from __future__ import annotations

import socket
import tempfile
from typing import TYPE_CHECKING

from madlaunch.sockets import control_sockets, socket_root

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_sockets_when_the_launch_ends_then_the_folder_is_gone() -> None:
    """Private while it is there, removed also when a socket in it leads nowhere and after an error."""
    sockets = control_sockets({"XDG_RUNTIME_DIR": "/tmp"})
    folder = sockets.__enter__()
    assert folder.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "0123456789"))
    assert not sockets.__exit__(RuntimeError, RuntimeError(), None)
    assert not folder.exists()


def test_socket_root_when_a_path_is_too_long_then_another_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's limit for sockets is about 104 bytes, ssh's own suffix included."""
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert str(socket_root({"XDG_RUNTIME_DIR": str(long)})) == "/tmp"
    assert str(socket_root({"XDG_RUNTIME_DIR": "relative"})) == "/tmp"
