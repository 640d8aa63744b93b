# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a run on the control node.

Private to the collection.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def attempt_dir(log_dir: Path, attempt: int) -> Path:
    """Return where the files of an attempt lie: those of the first in the run's directory itself."""
    return log_dir if attempt == 0 else log_dir / f"attempt{attempt}"


@dataclass(frozen=True)
class RankFiles:
    """The files of one rank in the run's directory `log_dir`: its raw log, and what madengine wrote."""

    log_dir: Path
    node_rank: int

    @property
    def log(self) -> Path:
        """The raw log, byte for byte as the node has it."""
        return self.log_dir / f"rank{self.node_rank}.log"

    @property
    def perf_csv(self) -> Path:
        """The rows that this run added to the node's perf.csv, with their header."""
        return self.log_dir / f"rank{self.node_rank}" / "perf.csv"

    @property
    def summary(self) -> Path:
        """The summary that madengine v2 wrote."""
        return self.log_dir / f"rank{self.node_rank}" / "summary.json"

    def keep(self, evidence: dict[str, Any]) -> list[str]:
        """Write what the node brought back of madengine's result files; return what could not be written, and why."""
        errors = []
        if evidence.get("perf_csv") is not None:
            errors.append(write_whole(self.perf_csv, str(evidence["perf_csv"])))
        if evidence.get("summary") is not None:
            errors.append(write_whole(self.summary, json.dumps(evidence["summary"], indent=2) + "\n"))
        return [error for error in errors if error]


def write_whole(path: Path, text: str) -> str:
    """Write a file and, if need be, its directory; return '' or `path: reason`, and then there is no such file.

    A disk that is full must not take the verdict from a run, so nothing is raised.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        for partial in (draft, path):
            with suppress(OSError):
                partial.unlink()
        return f"{path}: {error.strerror}"
    return ""
