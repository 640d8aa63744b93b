# SPDX-License-Identifier: GPL-3.0-or-later
"""How text looks on a given stream: symbols with an ASCII fallback, color or none, safe characters."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE_WIDTH = 100
_RESET = "\x1b[0m"
_CODES = {"good": "\x1b[32m", "bad": "\x1b[1;31m", "warn": "\x1b[33m", "strong": "\x1b[1m"}
_UNICODE = {"good": "✓", "bad": "✗", "warn": "!", "run": "→", "note": "·"}
_ASCII = {"good": "[ok]", "bad": "[FAIL]", "warn": "[warn]", "run": "->", "note": "[note]"}

# ECMA-48: a CSI sequence ends in 0x40-0x7e, of which SGR (digits and "m") are the colors; OSC ends in BEL or ST;
# the others are short.
_ESCAPE = re.compile(
    r"(?P<color>\x1b\[[0-9;:]*m)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Style:
    """What one stream can show."""

    color: bool
    unicode: bool
    width: int = _FILE_WIDTH
    """Characters a line can have before it wraps."""

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str]) -> Style:
        """Find out what ``stream`` shows; NO_COLOR, FORCE_COLOR, TERM and LC_ALL are respected."""
        terminal = stream.isatty() and environ.get("TERM", "") not in {"", "dumb"}
        color = bool(environ.get("FORCE_COLOR")) or terminal
        encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
        # With LC_ALL=C Python still writes UTF-8; the terminal was told otherwise.
        plain_locale = environ.get("LC_ALL", "") in {"C", "POSIX"}
        width = _FILE_WIDTH
        if stream.isatty():
            with suppress(OSError, ValueError):
                width = os.get_terminal_size(stream.fileno()).columns or _FILE_WIDTH
        return cls(color and not environ.get("NO_COLOR"), encoding == "utf8" and not plain_locale, width)

    def symbol(self, kind: str) -> str:
        """Return the symbol of ``kind`` (good, bad, warn, run, note), colored if the stream has colors."""
        return self.paint(kind, (_UNICODE if self.unicode else _ASCII)[kind])

    def paint(self, kind: str, text: str) -> str:
        """Return ``text`` in the color of ``kind``; unchanged without colors."""
        code = _CODES.get(kind)
        return f"{code}{text}{_RESET}" if self.color and code else text

    def safe(self, text: str) -> str:
        """Return a line of foreign text without what could move the cursor, or forge other lines.

        Tabs stay; colors stay where the stream has them, and are switched off at the end of the line.
        """
        if text.isprintable():
            return text
        if "\x1b" not in text:
            return _CONTROL.sub("", text)
        if self.color:
            kept = _ESCAPE.sub(lambda found: found["color"] or "", text)
            return _CONTROL.sub("", kept) + _RESET
        return _CONTROL.sub("", _ESCAPE.sub("", text))
