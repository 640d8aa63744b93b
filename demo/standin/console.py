# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands, their output, and where it goes."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import unicodedata
from typing import IO, Iterator, TextIO


def raw_bytes() -> bool:
    """Whether the model's bytes are passed on unchanged, which the real tool never does."""
    return bool(os.environ.get("MADENGINE_STANDIN_RAW"))


class Tee(io.TextIOBase):
    """A text stream that goes to the log, and to the real stdout as well when the output is live."""

    def __init__(self, log: TextIO, *, live: bool) -> None:
        self._streams: list[TextIO] = [log]
        if live and sys.__stdout__ is not None:
            self._streams.append(sys.__stdout__)

    def write(self, text: str) -> int:
        """Write to both."""
        for stream in self._streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush both; the last flush comes when this object goes, after the log was closed."""
        for stream in self._streams:
            if not stream.closed:
                stream.flush()


@contextlib.contextmanager
def logged_to(path: str, *, live: bool) -> Iterator[None]:
    """Send stdout and stderr of this block to the log, line by line; the log is live whether or not stdout is."""
    errors = "surrogateescape" if raw_bytes() else "strict"
    if raw_bytes() and isinstance(sys.__stdout__, io.TextIOWrapper):
        sys.__stdout__.reconfigure(errors=errors)
    with open(path, "w", buffering=1, errors=errors, newline="") as log:  # noqa: PTH123 - the locale's encoding, as the real tool
        tee = Tee(log, live=live)
        with contextlib.redirect_stdout(tee), contextlib.redirect_stderr(tee):
            yield


def show_command(command: str) -> None:
    """Print a command line; the only lines that the real tool flushes at once."""
    print("> " + command, flush=True)


def finish(process: subprocess.Popen[bytes], command: str, *, live: bool) -> str:
    """Read a command's output to its end, printing it line by line when live.

    Returns:
        The output without white space around it.

    Raises:
        RuntimeError: The exit code was not 0.
        UnicodeDecodeError: A byte was not text.
    """
    assert process.stdout is not None  # noqa: S101 - the caller made the pipe
    lines = []
    for line in _text(process.stdout):
        if live:
            print(line, end="")
        lines.append(line)
    code = process.wait()
    if code != 0:
        message = f"Subprocess '{command}' failed with exit code {code}"
        raise RuntimeError(message)
    return "".join(lines).strip()


def _text(stream: IO[bytes]) -> TextIO:
    if raw_bytes():
        return io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="\n")
    return io.TextIOWrapper(stream)


def sh(command: str, *, live: bool = False, can_fail: bool = False) -> str:
    """Show and run a command line of the host's shell, and return its output.

    Raises:
        RuntimeError: It failed and must not.
    """
    show_command(command)
    # The real tool gives whole lines to a shell, too; a stand-in that did not would refuse and quote other things.
    process = subprocess.Popen(  # noqa: S602 - the same fixed pipelines as the real tool
        command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        return finish(process, command, live=live)
    except RuntimeError:
        if can_fail:
            return ""
        raise


def width() -> int:
    """Columns for tables and wrapped lines."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) else 80


def cells(text: str) -> int:
    """How many columns a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c))


def say(text: str = "") -> None:
    """Print as a rich console on a pipe does: no color, wrapped at words to the width."""
    for line in text.split("\n"):
        for part in folded(line, width()):
            print(part)


def folded(line: str, columns: int) -> list[str]:
    """Wrap one line at words; a word longer than the line is cut."""
    parts = [""]
    for word in re.findall(r"\S+\s*|\s+", line):
        if parts[-1].strip() and cells(parts[-1] + word.rstrip()) > columns:
            parts.append("")
        parts[-1] += word
        while cells(parts[-1].rstrip()) > columns:
            parts[-1:] = [parts[-1][:columns], parts[-1][columns:]]
    return parts


def panel(title: str, lines: list[str]) -> None:
    """Print lines in a box as wide as the console, with the title in its upper edge."""
    inner = width() - 4
    rest = width() - 4 - cells(title)
    print("╭" + "─" * (rest // 2) + f" {title} " + "─" * (rest - rest // 2) + "╮")
    for part in (part for line in lines for part in folded(line, inner)):
        print("│ " + part + " " * (inner - cells(part)) + " │")
    print("╰" + "─" * (width() - 2) + "╯")
