# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of madengine's output that say what became of a run, as versions 1 and 2 print them.

The wording is madengine's own: tools/run_models.py and core/context.py of version 1, execution/container_runner.py and
cli/commands/run.py of version 2.
"""

from __future__ import annotations

import re
from typing import Any

MAX_CHARS = 1000
_NAME = b"MAD_MULTI_NODE_RUNNER"
# Only madengine's own lines: a model may print anything.
_RUNNER_LINES = (b"> docker run ", b"Docker options: ", b"Env arguments: ", b"Context is {")
_RUNNER_OPTION = re.compile(rb"--env MAD_MULTI_NODE_RUNNER=(?:'([^']*)'|(\S*))")
_RUNNER_CONTEXT = re.compile(rb"'MAD_MULTI_NODE_RUNNER': (?:'([^']*)'|\"([^\"]*)\")")
_FINISHED = re.compile(rb"Test Duration: [0-9][0-9.e+-]* seconds\s*\Z")
_PERFORMANCE = re.compile(rb"performance:\s+[+-]?[0-9.]*[0-9]")
_PATTERN = re.compile(rb"Found error pattern '(.*)' in logs")
_SKIPS = (
    b"Skipping model run",
    b"Status: SKIPPED",
    b"Model run was skipped (--skip-model-run)",
    b"Skipping model ",
    b"WARNING: Skipping execution.",
)
# The last line of a Python traceback, with torchrun's label of the process or without.
_ERROR = re.compile(
    rb"(?:\[[^\]\s]{1,40}\]:? ?)?(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit)(?:: |\s*\Z)"
)
# What version 2 says when it gives up, behind a pictograph or in a frame.
_GAVE_UP = re.compile(rb"(?:Build|Runtime|Configuration) error: |Run process failed: |Failed to run |No such option: ")
# An argument that version 1 does not know.
_USAGE = re.compile(rb"\S+: error: ")
_PUBLIC = (
    "runner",
    "complete",
    "model_started",
    "model_finished",
    "performance_line",
    "exception",
    "status_line",
    "error_pattern",
    "skipped",
)
_EXCEPTION_HEAD = b"===== EXCEPTION ====="
_REPORTS = (b"Status: FAILURE", b"Found error pattern '")
_OTHERS = (b"Running model...", b"Status: ", b"Found error pattern ", b"\x1b")
_STARTS = (*_RUNNER_LINES, *_SKIPS, *_OTHERS)
_COLOR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")


class Markers:
    """What the lines seen so far say. `complete` is False when a part of the log was left out."""

    def __init__(self) -> None:
        self.complete = True
        self.runner: str | None = None
        self.model_started = False
        self.model_finished = False
        self.performance_line = False
        self.exception: str | None = None
        self.status_line: str | None = None
        self.error_pattern: str | None = None
        self.skipped: str | None = None
        self._model_error: str | None = None
        self._error: str | None = None
        self._after_head = False

    def as_dict(self) -> dict[str, Any]:
        """Return the markers as JSON types. `failure_line` is the one line that best tells what went wrong."""
        found = {name: getattr(self, name) for name in _PUBLIC}
        found["failure_line"] = self._model_error or self.exception or self._error
        return found

    def look_at(self, line: bytes) -> None:
        """Take one line, with or without its end."""
        if not self._after_head and not _may_tell(line):
            return
        if line[:1] == b"\x1b":
            line = _COLOR.sub("", line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if _NAME in line and line.startswith(_RUNNER_LINES):
            self._take_runner(line)
        self._look_at_model(line)
        self._look_at_end(line)

    def _take_runner(self, line: bytes) -> None:
        """Keep the value that the container gets; version 1 also prints it earlier, with its context."""
        options = _RUNNER_OPTION.findall(line)
        if options:
            self.runner = _text(b"".join(options[-1]))
        elif self.runner is None:
            context = _RUNNER_CONTEXT.search(line)
            self.runner = _text(b"".join(context.groups(b""))) if context else None

    def _look_at_model(self, line: bytes) -> None:
        if line.startswith(b"Running model..."):
            self.model_started = True
            self._error = None
        elif line.startswith(_SKIPS):
            self.skipped = shown(line)
        if _FINISHED.search(line):
            self.model_finished = True
        if b"performance:" in line and _PERFORMANCE.search(line):
            self.performance_line = True

    def _look_at_end(self, line: bytes) -> None:
        after_head, self._after_head = self._after_head, line.rstrip().endswith(_EXCEPTION_HEAD)
        if self._after_head:
            self._model_error = self._model_error or self._error
        elif after_head and line.startswith(b"Exception:"):
            self.exception = self.exception or shown(line[len(b"Exception:") :])
        elif line.startswith(b"Status: "):
            self.status_line = shown(line)
        elif line.startswith(b"Found error pattern '"):
            pattern = _PATTERN.match(line)
            self.error_pattern = _text(pattern.group(1)) if pattern else None
        elif _ERROR.match(line) or _USAGE.match(line):
            self._error = shown(line)
        elif not line[:1].isalnum():
            self._look_at_frame(line)

    def _look_at_frame(self, line: bytes) -> None:
        gave_up = _GAVE_UP.search(line)
        if gave_up:
            self._error = shown(line[gave_up.start() :]).rstrip("\u2502| ")


def begins_report(line: bytes) -> bytes | None:
    """Return None unless madengine's report of a failure begins in this line, else what the model wrote before it."""
    text = line.rstrip()
    if text.endswith(_EXCEPTION_HEAD):
        return text[: -len(_EXCEPTION_HEAD)]
    return b"" if line.startswith(_REPORTS) else None


def _may_tell(line: bytes) -> bool:
    """Say whether a line is worth a closer look. Logs have millions of lines that are not, so this must be quick."""
    return (
        line.startswith(_STARTS)
        # These two come right behind the model's last line, which need not have an end.
        or b"Test Duration: " in line
        or _EXCEPTION_HEAD in line
        or b"rror" in line
        or b"performance:" in line
        or b"xception" in line
        or b"Interrupt" in line
        or b"Exit" in line
        or b"ailed" in line
        or b"No such" in line
    )


def shown(line: bytes) -> str:
    """Return a line as text for people: what a terminal would show last, no colors, at most `MAX_CHARS` characters."""
    return _text(line.rstrip(b"\r\n").rsplit(b"\r", 1)[-1])


def kept(line: bytes) -> str:
    """Return the same with its indentation, which in a traceback says a lot."""
    return _printable(line.rstrip(b"\r\n").rsplit(b"\r", 1)[-1]).rstrip()[:MAX_CHARS]


def _text(data: bytes) -> str:
    return _printable(data).strip()[:MAX_CHARS]


def _printable(data: bytes) -> str:
    # Cut before decoding: a character has at most four bytes.
    text = _COLOR.sub("", data[: 4 * MAX_CHARS].decode("utf-8", "replace"))
    return "".join(char if char.isprintable() else " " for char in text.replace("\t", "    "))
