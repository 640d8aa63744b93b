# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the follow workers of one run hear of each other: small files in the run's directory on the control node.

Private to the collection. Ansible runs one worker process per host; they share nothing but the file system.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any


class ControlDir:
    """`<log_dir>/control`: one file per rank that has ended, and the request to stop, if there is one."""

    def __init__(self, log_dir: Path) -> None:
        self.path = log_dir / "control"

    def create(self) -> None:
        """Make the directory, readable by nobody else. Raises OSError, also for one that may not be written to."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))

    def request_stop(self, reason: str, culprit: dict[str, Any]) -> str:
        """Ask all ranks to stop; the first request stays as it is, later ones change nothing.

        Return '' or, if the others cannot be asked, `path: reason`.
        """
        text = json.dumps({"reason": reason, **culprit}, separators=(",", ":"))
        try:
            self._write_once("stop", text)
        except OSError:
            return self._name_once("stop", text)
        return ""

    def stop_request(self) -> dict[str, Any] | None:
        """Return the request to stop: `reason`, and `host` and `node_rank` of the rank that caused it."""
        stop = self.path / "stop"
        try:
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
