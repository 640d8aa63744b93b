# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rank that has ended leaves behind: its result rows, its summary, and what its log tells.

No judgment here: the control node judges (plugins/module_utils/_verdict.py). Memory is bounded whatever the size of the
log: the lines of its beginning and end are looked at, the middle is only counted.
"""

from __future__ import annotations

import collections
import csv
import io
import json
import os
from typing import Any

from .log_markers import Markers, begins_report, kept

PERF_CSV = "perf.csv"
MAX_RESULT_BYTES = 4 * 1024 * 1024
# The proof of the runner is printed when the container starts, after the build of the image, whose output can be long;
# what became of the model is printed at the end.
HEAD_BYTES = 32 * 1024 * 1024
TAIL_BYTES = 8 * 1024 * 1024
LINE_BYTES = 1024 * 1024
KEPT_BYTES = 16 * 1024
MODEL_STARTS = b"Running model..."
FIRST_LINES = 5
LAST_LINES = 20
MAX_DEPTH = 100


def gather(rank_dir: str, work_dir: str, perf_rows_before: int = 0) -> dict[str, Any]:
    """Return EVIDENCE of the rank whose run directory is `rank_dir` and which worked in `work_dir`.

    Args:
        rank_dir: holds `log` and, from madengine v2, `summary.json`.
        work_dir: holds `perf.csv`.
        perf_rows_before: rows that `perf.csv` had when the run began; they are left out of `perf_csv`.

    A file that is missing or unreadable is None or empty, with the reason under `errors`.
    """
    errors: list[str] = []
    log = LogReader()
    try:
        log.read(os.path.join(rank_dir, "log"))
    except OSError as error:
        errors.append(_reason(error))
    return {
        "schema": 1,
        "perf_csv": _perf_csv(os.path.join(work_dir, PERF_CSV), perf_rows_before, errors),
        "perf_rows_before": perf_rows_before,
        "summary": _summary(os.path.join(rank_dir, "summary.json"), errors),
        "markers": log.markers.as_dict(),
        "first_lines": log.first_lines,
        "last_lines": log.last_lines,
        "log_size_bytes": log.size_bytes,
        "log_lines": log.line_count,
        "errors": errors,
    }


def count_perf_rows(work_dir: str) -> int:
    """Return how many result rows `perf.csv` in `work_dir` has now; 0 when there is none."""
    try:
        with open(os.path.join(work_dir, PERF_CSV), encoding="utf-8", errors="replace", newline="") as stream:
            return max(0, sum(1 for row in _rows(stream) if row) - 1)
    except (OSError, csv.Error):
        # What cannot be read now is told at the end, with its reason; it must not keep a run from starting.
        return 0


class LogReader:
    """One pass over a log."""

    def __init__(self) -> None:
        self.markers = Markers()
        self.first_lines: list[str] = []
        self.size_bytes = 0
        self.line_count = 0
        self._ends_in_line = False
        self._own: list[bytes] | None = None
        self._last: collections.deque[bytes] = collections.deque(maxlen=LAST_LINES)

    @property
    def last_lines(self) -> list[str]:
        """The last lines that are not empty, as text; of a failed model its own, not madengine's report after them."""
        return [kept(piece) for piece in (self._last if self._own is None else self._own)]

    def read(self, path: str) -> None:
        """Read the log at `path`. Raises OSError."""
        with open(path, "rb") as stream:
            self.size_bytes = os.fstat(stream.fileno()).st_size
            head_end = self.size_bytes
            if self.size_bytes > HEAD_BYTES + TAIL_BYTES:
                head_end = HEAD_BYTES
                self.markers.complete = False
            self._lines(stream, head_end)
            self._count(stream, self.size_bytes - TAIL_BYTES)
            self._lines(stream, self.size_bytes)
        if self._ends_in_line:
            self.line_count += 1

    def _lines(self, stream: io.BufferedReader, end: int) -> None:
        """Look at whole lines up to the offset `end`; of a very long line at its first mebibyte."""
        position = stream.tell()
        while position < end:
            piece = stream.readline(LINE_BYTES)
            if not piece:
                return
            position += len(piece)
            if not self._ends_in_line:
                self._take(piece)
            self._ends_in_line = not piece.endswith(b"\n")
            self.line_count += not self._ends_in_line

    def _take(self, piece: bytes) -> None:
        self.markers.look_at(piece)
        if not piece.strip():
            return
        if len(self.first_lines) < FIRST_LINES:
            self.first_lines.append(kept(piece))
        if piece.startswith(MODEL_STARTS):
            self._own = None
        before = begins_report(piece) if self._own is None else None
        if before is not None:
            self._own = self._of_model(before)
        # Most lines are pushed out again: they become text only when all is read, and long ones are not kept whole.
        self._last.append(piece if len(piece) <= KEPT_BYTES else kept(piece).encode())

    def _of_model(self, unended: bytes) -> list[bytes]:
        """Return the last lines so far, from the start of the model on; `unended` is one that got no end."""
        lines = [*self._last, unended] if unended.strip() else list(self._last)
        starts = [number for number, line in enumerate(lines) if line.startswith(MODEL_STARTS)]
        return lines[starts[-1] :][-LAST_LINES:] if starts else lines[-LAST_LINES:]

    def _count(self, stream: io.BufferedReader, end: int) -> None:
        position = stream.tell()
        while position < end:
            block = stream.read(min(LINE_BYTES, end - position))
            if not block:
                return
            position += len(block)
            self.line_count += block.count(b"\n")
            self._ends_in_line = not block.endswith(b"\n")


def _perf_csv(path: str, rows_before: int, errors: list[str]) -> str | None:
    """Return the header and the rows of this run, at most `MAX_RESULT_BYTES`; the whole text when all rows are."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as stream:
            if not rows_before and os.fstat(stream.fileno()).st_size <= MAX_RESULT_BYTES:
                return stream.read()
            return _own_rows(stream, rows_before)
    except FileNotFoundError:
        return None
    except (OSError, csv.Error) as error:
        errors.append(_reason(error) if isinstance(error, OSError) else f"{path}: {error}")
        return None


def _own_rows(stream: io.TextIOBase, rows_before: int) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    whole = 0
    for number, row in enumerate(row for row in _rows(stream) if row):
        if 0 < number <= rows_before:
            continue
        writer.writerow(row)
        if text.tell() > MAX_RESULT_BYTES:
            break
        whole = text.tell()
    return text.getvalue()[:whole]


def _rows(stream: io.TextIOBase) -> Any:  # noqa: ANN401 - csv has no public name for the type of its readers
    csv.field_size_limit(MAX_RESULT_BYTES)
    return csv.reader(stream, skipinitialspace=True)


def _summary(path: str, errors: list[str]) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as stream:
            value = json.loads(stream.read(MAX_RESULT_BYTES).decode("utf-8", "replace"))
    except FileNotFoundError:
        return None
    except OSError as error:
        errors.append(_reason(error))
        return None
    except ValueError as error:
        errors.append(f"{path}: {error}")
        return None
    except RecursionError:
        value = None
        too_deep = True
    else:
        too_deep = _is_deeper(value, MAX_DEPTH)
    if too_deep:
        errors.append(f"{path}: it is nested too deeply")
        return None
    return value if isinstance(value, dict) else None


def _is_deeper(value: Any, depth: int) -> bool:  # noqa: ANN401 - whatever JSON can say
    """Say whether lists and objects are nested more than `depth` times; what is too deep cannot be sent on."""
    level = [value]
    for _step in range(depth + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}"
