# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the follow workers of one run hear of each other: small files in the run's directory on the control node.

Private to the collection. Ansible runs one worker process per host; they share nothing but the file system.
"""

from __future__ import annotations

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
        """Make the directory, readable by nobody else."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def request_stop(self, reason: str, culprit: dict[str, Any]) -> None:
        """Ask all ranks to stop; the first request stays as it is, later ones change nothing."""
        self._write_once("stop", {"reason": reason, **culprit})

    def stop_request(self) -> dict[str, Any] | None:
        """Return the request to stop: `reason`, and `host` and `node_rank` of the rank that caused it."""
        try:
            text = (self.path / "stop").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return dict(json.loads(text))

    def _write_once(self, name: str, value: dict[str, Any]) -> None:
        # A link of a whole file: readers never see half of it, and only the first writer wins.
        handle, temporary = tempfile.mkstemp(dir=self.path)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(value, stream)
        try:
            os.link(temporary, self.path / name)
        except FileExistsError:
            return
        finally:
            Path(temporary).unlink()
