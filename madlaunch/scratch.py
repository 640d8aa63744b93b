# SPDX-License-Identifier: GPL-3.0-or-later
"""The private folder of one play, and what a launcher that was killed has left of its own.

A folder's owner holds a lock on a file in it. The kernel gives the lock back with the process, however that ends,
and unlike a process id a lock means the same in every container that sees the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "madlaunch-"
_LOCK = "owner.lock"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a folder of mode 0700 for this process and remove it at the end; first remove those of dead launchers.

    Raises:
        OSError: There is no place for it.
    """
    parent = Path(tempfile.gettempdir())
    _sweep(parent)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as name:
        lock = _own(Path(name))
        try:
            yield Path(name)
        finally:
            os.close(lock)


def _own(folder: Path) -> int:
    """Lock a folder for as long as the returned file is open; programs started from here do not inherit it."""
    draft = folder / f"{_LOCK}.new"
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # a file system without locks: then nobody can take it for dead either
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # It has its name only when it is locked, so that nobody sees it free in between.
    draft.rename(folder / _LOCK)
    return handle


def _sweep(parent: Path) -> None:
    """Remove the folders below ``parent`` that are this user's and whose owner is dead."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                _remove_if_free(folder)


def _remove_if_free(folder: Path) -> None:
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
