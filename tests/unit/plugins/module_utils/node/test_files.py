# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON files that survive readers, writers and a full disk."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a disk that is full needs root (mount of a tmpfs)")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=16", "none", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("no right to mount a tmpfs here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk: Path) -> None:
    """Take all the room there is."""
    with (disk / "filler").open("wb", buffering=0) as stream:
        while os.statvfs(disk).f_bavail:
            stream.write(b"x" * 4096)


def test_write_json_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    """The new text is another file with the old name, 0600, and nothing is left beside it."""
    path = tmp_path / "status.json"
    files.write_json(str(path), {"state": "starting"})
    first = path.stat()
    files.write_json(str(path), {"state": "running"})
    assert files.read_json(str(path)) == {"state": "running"}
    assert path.stat().st_ino != first.st_ino
    assert oct(path.stat().st_mode)[-3:] == "600"
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


@needs_root
def test_write_json_overwrites_in_place_when_the_disk_is_full(small_disk: Path) -> None:
    """A longer text still gets to the disk, because the file was padded when there was room."""
    path = small_disk / "status.json"
    files.write_json(str(path), {"state": "running"})
    fill(small_disk)
    long_value = {"state": "ended", "stop_reason": "r" * 3000}
    files.write_json(str(path), long_value)
    assert files.read_json(str(path)) == long_value
    files.write_json(str(path), {"state": "ended"})
    assert files.read_json(str(path)) == {"state": "ended"}
    assert sorted(entry.name for entry in small_disk.iterdir()) == ["filler", "status.json"]


@needs_root
def test_write_json_overwrites_in_place_when_no_file_can_be_made(small_disk: Path) -> None:
    """A disk out of inodes is as full as one out of bytes."""
    path = small_disk / "status.json"
    files.write_json(str(path), {"state": "running"})
    while os.statvfs(small_disk).f_favail:
        tempfile.mkdtemp(dir=small_disk)
    files.write_json(str(path), {"state": "ended"})
    assert files.read_json(str(path)) == {"state": "ended"}


@needs_root
def test_write_json_says_when_there_is_no_room_for_a_first_file(small_disk: Path) -> None:
    """Without an old file there is nothing to overwrite, and no half file is left."""
    fill(small_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_json(str(small_disk / "status.json"), {"state": "starting"})
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]


def test_write_json_in_a_directory_that_is_gone_says_so(tmp_path: Path) -> None:
    """The supervisor tells a removed run directory from a full disk by this."""
    with pytest.raises(FileNotFoundError):
        files.write_json(str(tmp_path / "gone" / "status.json"), {})


def test_read_json_waits_for_a_text_that_is_being_overwritten(tmp_path: Path) -> None:
    """Half a text is read again until it is whole."""
    path = tmp_path / "status.json"
    path.write_text('{"state": "run')
    writer = threading.Timer(0.015, path.write_text, ['{"state": "running"}'])
    writer.start()
    assert files.read_json(str(path)) == {"state": "running"}
    writer.join()


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00\x00"], ids=repr)
def test_read_json_takes_damage_for_missing(tmp_path: Path, text: str) -> None:
    """What is not an object counts as no file."""
    (tmp_path / "f").write_text(text)
    assert files.read_json(str(tmp_path / "f")) is None
    assert files.read_json(str(tmp_path / "missing")) is None


def test_create_once_keeps_the_first_text(tmp_path: Path) -> None:
    """The second writer changes nothing and is told."""
    path = str(tmp_path / "stop")
    assert [files.create_once(path, {"reason": reason}) for reason in ("gang", "user")] == [True, False]
    assert files.read_json(path) == {"reason": "gang"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["stop"]


@needs_root
def test_create_once_leaves_an_empty_file_when_the_disk_is_full(small_disk: Path) -> None:
    """A request without its reason is better than none."""
    fill(small_disk)
    assert files.create_once(str(small_disk / "stop"), {"reason": "user"}) is True
    assert (small_disk / "stop").read_bytes() == b""


def test_create_file_refuses_to_overwrite(tmp_path: Path) -> None:
    """A file of a run is written once, with the mode that was asked for."""
    path = tmp_path / "run.sh"
    files.create_file(str(path), b"exit 0\n", 0o700)
    with pytest.raises(FileExistsError):
        files.create_file(str(path), b"exit 1\n")
    assert (path.read_bytes(), oct(path.stat().st_mode)[-3:]) == (b"exit 0\n", "700")


def test_tail_returns_the_last_bytes(tmp_path: Path) -> None:
    """Less than asked for where the file is smaller, nothing where there is none."""
    (tmp_path / "log").write_bytes(b"0123456789")
    assert [files.tail(str(tmp_path / "log"), count) for count in (3, 10, 99)] == [b"789", b"0123456789", b"0123456789"]
    assert files.tail(str(tmp_path / "none"), 3) == b""
