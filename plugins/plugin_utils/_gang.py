# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the follow workers of one run hear of each other: small files in the run's directory on the control node.

Private to the collection. Ansible runs one worker process per host; they share nothing but the file system.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any


class ControlDir:
    """`<log_dir>/control`: the requests to stop, and when a rank last gave a sign of life.

    `stop` is the request of a person and ends the run for good; the launcher writes it. `stop.<attempt>` is that of the
    gang itself (a rank failed, a host was lost, all were silent) and ends this attempt.
    """

    def __init__(self, log_dir: Path, attempt: int = 0) -> None:
        self.path = log_dir / "control"
        self._gang_stop = f"stop.{attempt}"
        self._arrived = f"arrived.{attempt}"
        self._life = self.path / f"life.{attempt}"

    def create(self) -> None:
        """Make the directory, readable by nobody else. Raises OSError, also for one that may not be written to."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))

    def claim(self, run_id: str) -> bool:
        """Make the directory and take it for a run; False when a run has it already, or had it."""
        self.create()
        try:
            # One step, also on a file server: of two launches at once one gets it.
            with (self.path / "run").open("x", encoding="utf-8") as stream:
                stream.write(run_id + "\n")
        except FileExistsError:
            return False
        return True

    def arrive(self) -> None:
        """Count one more rank as started, or as one that will not be."""
        self.count(self._arrived)

    def arrived(self) -> int:
        """Return how many ranks were counted."""
        return self.counted(self._arrived)

    def count(self, name: str) -> None:
        """Add one to the count of that name."""
        with suppress(OSError), (self.path / name).open("ab") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # The size is the count; growing so takes no room, should the disk be full.
            stream.truncate(stream.seek(0, os.SEEK_END) + 1)

    def counted(self, name: str) -> int:
        """Return the count of that name."""
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return 0

    def tell(self, name: str, value: dict[str, Any]) -> str:
        """Leave a value for the other workers, once; return '' or why they will not get it."""
        text = json.dumps(value, separators=(",", ":"))
        try:
            self._write_once(name, text)
        except OSError:
            return self._name_once(name, text)
        return ""

    def told(self, name: str) -> dict[str, Any] | None:
        """Return the value of that name, None as long as nobody told it."""
        return self._read(name)

    def request_stop(self, reason: str, culprit: dict[str, Any]) -> str:
        """Ask all ranks to stop; the first request stays as it is, later ones change nothing.

        Return '' or, if the others cannot be asked, `path: reason`.
        """
        return self.tell(self._gang_stop, {"reason": reason, **culprit})

    def stop_request(self) -> dict[str, Any] | None:
        """Return the request to stop: `reason`, and `host` and `node_rank` of the rank that caused it."""
        return self._read(self._gang_stop) or self.user_request()

    def has_stop(self) -> bool:
        """Tell whether anybody asked, for those who look often: it opens no file."""
        return any(os.path.lexists(self.path / name) for name in ("stop", self._gang_stop))

    def user_request(self) -> dict[str, Any] | None:
        """Return the request of a person to end the run, which also forbids to start it again."""
        return self._read("stop")

    def show_life(self, now_s: float) -> None:
        """Note that a rank printed something, or that nobody can know; `now_s` is of this machine's monotonic clock."""
        with suppress(OSError):
            self._life.touch(mode=0o600)
            # The time of the file is not that of any wall clock, so that setting one is no silence.
            os.utime(self._life, (now_s, now_s))

    def silent_s(self, now_s: float) -> float:
        """Return for how many seconds no rank of this attempt has given a sign of life; 0 when it cannot be told."""
        try:
            return now_s - self._life.stat().st_mtime
        except OSError:
            return 0.0

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            stop = self.path / name
            # Not Path.readlink, which would take the text for a path and tidy it up.
            text = os.readlink(stop) if stop.is_symlink() else stop.read_text(encoding="utf-8")  # noqa: PTH115
        except FileNotFoundError:
            return None
        return dict(json.loads(text))

    def _write_once(self, name: str, text: str) -> None:
        # A link of a whole file: readers never see half of it, and only the first writer wins.
        handle, temporary = tempfile.mkstemp(dir=self.path)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.link(temporary, self.path / name)
        except FileExistsError:
            return
        finally:
            Path(temporary).unlink()

    def _name_once(self, name: str, text: str) -> str:
        # On a full disk: a short symbolic link lies in the directory itself, so its target needs no room.
        path = self.path / name
        try:
            path.symlink_to(text)
        except FileExistsError:
            return ""
        except OSError as error:
            return f"{path}: {error.strerror}"
        return ""
