# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the MAD checkout for one rank of one run, without what an earlier run left in it.

Nodes that share a home would overwrite each other's files, and old result files would be taken for new ones.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
from typing import Callable

from . import files
from .errors import NodeError

_SKIP_ANYWHERE = (".git", "__pycache__")
# Written by madengine into its working directory; scripts may have files of these names further down.
_SKIP_AT_TOP = (
    "perf*.csv",
    "perf*.json",
    "perf*.html",
    "perf*.xlsx",
    "*.live.log",
    "run_directory",
    "build_manifest.json",
)
# What must stay free beside the copy: the record of the run, and the first lines of its log.
_RESERVE_BYTES = 1024 * 1024


class Checkout:
    """What is to be copied: directories, files and links below `source`, as paths relative to it.

    Raises `NodeError` for a source that is no directory or cannot be read.
    """

    def __init__(self, source: str, keep_out: str) -> None:
        """Look through `source`, except for the directory `keep_out`, where the copies lie."""
        self.source = os.path.realpath(source)
        self.directories: list[str] = []
        self.files: list[str] = []
        self.links: list[str] = []
        self.size_bytes = 0
        self._keep_out = os.path.realpath(keep_out)
        try:
            self._look_through("")
        except OSError as error:
            raise _unreadable(error) from error

    def _look_through(self, directory: str) -> None:
        with os.scandir(os.path.join(self.source, directory)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = os.path.join(directory, entry.name)
                if not self._is_left_out(entry, at_top=not directory):
                    self._add(entry, path)

    def _add(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.is_symlink():
            self.links.append(path)
        elif entry.is_dir():
            self.directories.append(path)
            self._look_through(path)
        elif entry.is_file():
            self.files.append(path)
            self.size_bytes += entry.stat().st_size

    def _is_left_out(self, entry: os.DirEntry[str], *, at_top: bool) -> bool:
        if entry.name in _SKIP_ANYWHERE:
            return True
        if at_top and any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in _SKIP_AT_TOP):
            return True
        if not entry.is_dir(follow_symlinks=False):
            return False
        # pyvenv.cfg marks a virtual environment, which is large and does not work at another place.
        return entry.path == self._keep_out or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))


def copy(checkout: Checkout, target: str, check: Callable[[], None]) -> None:
    """Copy a checkout to `target`, which must not exist; `check` is called now and then and may raise.

    Raises `NodeError` when there is not enough room or a file cannot be read.
    """
    _check_room(checkout, target)
    os.mkdir(target, 0o700)
    for path in checkout.directories:
        os.mkdir(os.path.join(target, path), 0o700)
    for path in checkout.files:
        check()
        _copy_file(os.path.join(checkout.source, path), os.path.join(target, path))
    for path in checkout.links:
        os.symlink(_link_target(checkout.source, path), os.path.join(target, path))
    # Last and from below: a directory that is read-only could not be filled.
    for path in ["", *checkout.directories][::-1]:
        shutil.copystat(os.path.join(checkout.source, path), os.path.join(target, path))
        os.chmod(os.path.join(target, path), os.stat(os.path.join(target, path)).st_mode | 0o700)


def _copy_file(source: str, target: str) -> None:
    try:
        shutil.copy2(source, target)
    except OSError as error:
        if error.errno in files.NO_SPACE_ERRORS:
            raise
        raise _unreadable(error) from error


def _link_target(source: str, path: str) -> str:
    """Return where the copy of a link points: a relative way out of the checkout becomes an absolute one."""
    target = os.readlink(os.path.join(source, path))
    whole = os.path.normpath(os.path.join(source, os.path.dirname(path), target))
    return target if whole == source or whole.startswith(source + os.sep) else whole


def _check_room(checkout: Checkout, target: str) -> None:
    room = os.statvfs(os.path.dirname(target))
    free_bytes = room.f_bavail * room.f_frsize
    needed_bytes = checkout.size_bytes + _RESERVE_BYTES
    if free_bytes >= needed_bytes:
        return
    message = (
        f"the copy of {checkout.source} needs {needed_bytes / 1e6:.0f} MB, "
        f"{os.path.dirname(target)} has {free_bytes / 1e6:.0f} MB free"
    )
    raise NodeError(message, "make room there, set node_state_dir to another disk, or run in the checkout (in_place)")


def _unreadable(error: OSError) -> NodeError:
    message = f"the MAD checkout cannot be copied: {error.filename}: {error.strerror}"
    return NodeError(message, "make the file readable for this login (sudo chown -R), or set mad_dir to a clean clone")
