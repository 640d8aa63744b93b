# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folding across the follow workers of a run: they write their lines into one file, and one of them shows it.

Private to the collection. Each worker is a process of its own; whichever holds the lock of the file is the one that
shows. A worker that ends hands it on.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.madlaunch.multinode.plugins.module_utils._fold import WINDOW_S, Folder, RankLine
from ansible_collections.madlaunch.multinode.plugins.module_utils._relay import labeled

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_LOOK_EVERY_S = 0.3
# A worker that ends waits no longer than this for the one that shows: longer means that it is gone.
_SHOWN_WITHIN_S = 3 * WINDOW_S
_MAX_READ_BYTES = 8 * 1024 * 1024


@dataclass
class FoldedScreen:
    """The screen of one worker when lines are folded; a context manager around its following.

    `path` is the file that the workers of a run share, `count` the number of ranks, `show` puts text on the screen.
    """

    path: Path
    host: str
    node_rank: int
    count: int
    show: Callable[[str], None]
    _handle: int | None = None
    _written: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> FoldedScreen:  # noqa: PYI034 - typing has Self only from Python 3.11 on
        # Without room for the file nothing is folded, and nothing is lost.
        with suppress(OSError):
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._thread = threading.Thread(target=self._attend, name="fold", daemon=True)
        if self._handle is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait until what this worker wrote is on the screen, by whomever."""
        if self._handle is None:
            return
        deadline_s = time.monotonic() + _SHOWN_WITHIN_S
        while self._shown_bytes() < self._written and time.monotonic() < deadline_s:
            time.sleep(_LOOK_EVERY_S / 3)
        self._done.set()
        self._thread.join()
        os.close(self._handle)

    def add(self, lines: list[str]) -> None:
        """Hand lines of this rank over; they are on the screen a moment later."""
        # CLOCK_MONOTONIC is the same for all processes of a machine.
        now_s = time.monotonic()
        text = "".join(json.dumps([now_s, self.host, self.node_rank, line]) + "\n" for line in lines)
        data = text.encode("ascii")
        if self._handle is None:
            self.show(labeled(self.host, self.node_rank, lines))
            return
        try:
            while data:
                data = data[os.write(self._handle, data) :]
        except OSError:
            self.show(labeled(self.host, self.node_rank, lines))
            return
        # O_APPEND leaves the position of this handle behind what it wrote, whatever others wrote before.
        self._written = os.lseek(self._handle, 0, os.SEEK_CUR)

    # --- the one that shows ----------------------------------------------------------------------------------------

    def _attend(self) -> None:
        """Show for all whenever nobody else does."""
        with suppress(OSError), Path(f"{self.path}.lock").open("a+b") as lock:
            while not self._done.wait(_LOOK_EVERY_S):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                self._show_all()
                fcntl.flock(lock, fcntl.LOCK_UN)

    def _show_all(self) -> None:
        folder, position = Folder(self.count), self._shown_bytes()
        with self.path.open("rb") as spool:
            spool.seek(position)
            rest = b""
            while not self._done.wait(_LOOK_EVERY_S):
                data = spool.read(_MAX_READ_BYTES)
                whole, newline, after = (rest + data).rpartition(b"\n")
                rest = after
                position += len(whole) + len(newline)
                for line in whole.splitlines():
                    folder.add(RankLine(*json.loads(line)))
                self._say(folder.due(time.monotonic()))
                if folder.empty:
                    self._note_shown(position)
            self._say(folder.due(float("inf")))
            self._note_shown(position)

    def _say(self, lines: list[str]) -> None:
        if lines:
            self.show("\n".join(lines))

    def _shown_bytes(self) -> int:
        try:
            return int(Path(f"{self.path}.shown").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def _note_shown(self, position: int) -> None:
        path = Path(f"{self.path}.shown")
        draft = Path(f"{path}.{os.getpid()}")
        with suppress(OSError):
            draft.write_text(str(position), encoding="ascii")
            draft.replace(path)
