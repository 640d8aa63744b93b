# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON files that a reader never sees half written, and that can still be written when the disk is full."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time

TYPE_CHECKING = False  # the supervisor runs for as long as the job: typing would cost it half a megabyte
if TYPE_CHECKING:
    from typing import Any

# Files are padded to this size with blanks, so that a later, longer text fits into the space that is already ours.
_BLOCK_BYTES = 4096
_READ_TRIES = 5
_READ_PAUSE_S = 0.01

NO_SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT)


def write_json(path: str, value: dict[str, Any]) -> None:
    """Write `value` to `path` (0600) and make sure that it is on the disk.

    A new file takes the place of the old one in one step. Where there is no room for a new file (the disk is full, or
    out of inodes), the old one is overwritten in place: its space is ours already.
    Raises `OSError` when neither works; the old text may then be damaged only if the second write began and failed.
    """
    data = _padded(json.dumps(value))
    try:
        _replace(path, data)
    except OSError:
        try:
            _overwrite(path, data)
        except FileNotFoundError:
            pass
        else:
            return
        raise


def read_json(path: str) -> dict[str, Any] | None:
    """Return the object in `path`, None if there is no such file.

    A text that is not JSON is read again a few times, as it may just be overwritten in place; after that it is taken
    for missing.
    """
    for _attempt in range(_READ_TRIES):
        try:
            with open(path, encoding="utf-8") as stream:
                value = json.load(stream)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            time.sleep(_READ_PAUSE_S)
            continue
        return value if isinstance(value, dict) else None
    return None


def create_file(path: str, data: bytes, mode: int = 0o600, *, durable: bool = True) -> None:
    """Write a file that must not exist yet, whole and (if `durable`) down to the disk; raises `OSError`."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        _write_all(handle, data)
        if durable:
            # Network and copy-on-write file systems tell only here that the disk is full.
            os.fsync(handle)
    finally:
        os.close(handle)


def create_once(path: str, value: dict[str, Any]) -> bool:
    """Write `value` to `path` unless somebody did before; returns whether this call did.

    The file appears with its content in one step, even with two writers at once. On a full disk it appears empty.
    """
    temporary = f"{path}.{os.getpid()}"
    try:
        create_file(temporary, json.dumps(value).encode())
    except OSError as error:
        if error.errno not in NO_SPACE_ERRORS:
            raise
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return True


def tail(path: str, size_bytes: int) -> bytes:
    """Return the last `size_bytes` of a file, less if it is smaller, nothing if it is not there."""
    try:
        with open(path, "rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, end - size_bytes))
            return stream.read(size_bytes)
    except FileNotFoundError:
        return b""


def _padded(text: str) -> bytes:
    data = text.encode("ascii")
    blank = -(len(data) + 1) % _BLOCK_BYTES
    return data + b" " * blank + b"\n"


def _replace(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        create_file(temporary, data)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _overwrite(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        room = os.fstat(handle).st_size
        _write_all(handle, data + b" " * (room - len(data)))
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
