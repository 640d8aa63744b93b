# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the bytes of a rank's log into whole lines that are safe to show.

Private to the collection. Pure: bytes in, text lines out; the raw bytes are kept elsewhere.
"""

from __future__ import annotations

import re

# ECMA-48: CSI sequences end in 0x40-0x7e, OSC ones in BEL or ST, other escapes have one final byte. Only colors (SGR,
# "m") may stay: ansible-runner would take others (ESC [ ... K with base64) for events of its own.
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*(?P<final>[@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\x1b")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029]")
LINE_LIMIT_BYTES = 4 * 1024 * 1024
PROGRESS_INTERVAL_S = 1.0


class LineSplitter:
    """Collects the bytes of one log and gives out its lines, each once and whole.

    A line longer than `limit_bytes` is given out in parts, each marked, so that memory stays bounded. What a
    progress bar writes after carriage returns is shown at most once per `PROGRESS_INTERVAL_S`.
    """

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._pending = b""
        self._progress_at_s = float("-inf")
        self._progress = ""

    def feed(self, data: bytes, now_s: float) -> list[str]:
        """Add `data`, received at the monotonic time `now_s`; return the lines that are whole now."""
        head, newline, tail = data.rpartition(b"\n")
        lines = []
        if newline:
            lines = self._whole((self._pending + head).split(b"\n"))
            self._pending = tail
        else:
            self._pending += data
        while len(self._pending) > self._limit_bytes:
            part, self._pending = self._pending[: self._limit_bytes], self._pending[self._limit_bytes :]
            lines.append(readable(part) + " [line goes on]")
        return lines + self._due_progress(now_s)

    def flush(self) -> list[str]:
        """Return what is left when the log has ended without a newline."""
        rest, self._pending = self._pending, b""
        return self._whole([rest]) if rest else []

    def _whole(self, raw_lines: list[bytes]) -> list[str]:
        lines = [last_overwrite(line) for line in raw_lines]
        if lines and lines[0] == self._progress and self._progress:
            lines = lines[1:]  # the progress bar was shown already as it stands
        self._progress = ""
        return lines

    def _due_progress(self, now_s: float) -> list[str]:
        if b"\r" not in self._pending.rstrip(b"\r") and not self._pending.endswith(b"\r"):
            return []
        text = last_overwrite(self._pending)
        if text == self._progress or now_s - self._progress_at_s < PROGRESS_INTERVAL_S:
            return []
        self._progress, self._progress_at_s = text, now_s
        return [text] if text else []


def last_overwrite(raw: bytes) -> str:
    """Return what a terminal would show of a line: the text after the last carriage return that wrote something."""
    parts = [part for part in raw.split(b"\r") if part]
    return readable(parts[-1]) if parts else ""


def readable(raw: bytes) -> str:
    r"""Decode a line: bytes that are not UTF-8 become \xNN, controls and escapes other than colors are taken out."""
    text = raw.decode("utf-8", errors="backslashreplace")
    if "\x1b" in text:
        text = ESCAPES.sub(lambda match: match.group(0) if match.group("final") == "m" else "", text)
    return CONTROLS.sub("", text)


def labeled(host: str, node_rank: int, lines: list[str]) -> str:
    """Return the lines as they are shown, each `[host:rank] line`."""
    prefix = f"[{host}:{node_rank}] "
    return "\n".join(prefix + line for line in lines)
