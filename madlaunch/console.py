# SPDX-License-Identifier: GPL-3.0-or-later
"""The one mouth: only this file writes to standard output and standard error.

What is said is composed in ``console_text`` (for people) and ``console_json`` (for programs).
"""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from madlaunch.console_style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from madlaunch.answers import RunOutcome
    from madlaunch.errors import LauncherError
    from madlaunch.events import Event

# Shorter secrets (a flag such as "1" or "true" in an --env-file) would blot out ordinary text.
_MASKED_FROM_CHARACTERS = 6
_MASK = "********"


class Reporter(Protocol):
    """Shows one session."""

    def begin(self) -> None:
        """Show what is known before the playbook starts."""

    def handle(self, event: Event) -> None:
        """Show one event."""

    def note(self, level: str, text: str) -> None:
        """Show a note of the launcher itself; ``level`` is error, warning or note."""

    def end(self, outcome: RunOutcome) -> None:
        """Show the outcome; nothing follows."""


class Mouth:
    """Writes lines to one stream; after the reader has gone (a closed pipe, a lost terminal) it keeps silent."""

    def __init__(self, stream: TextIO | None, secrets: Iterable[str] = ()) -> None:
        # A program that is started with a closed stream has None in its place.
        self._stream = stream if stream is not None else io.StringIO()
        self._secrets = tuple(text for text in secrets if len(text) >= _MASKED_FROM_CHARACTERS)
        self.gone = stream is None
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal's encoding lacks must not end the session.
            stream.reconfigure(errors="backslashreplace")

    def say(self, text: str = "") -> None:
        """Write one line, or several separated by newlines, at once; secrets are masked."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, _MASK)
        if self.gone:
            return
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._leave()

    def _leave(self) -> None:
        """Remember that nobody reads, and let the interpreter's last flush go nowhere."""
        self.gone = True
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


@dataclass(frozen=True, slots=True)
class Voice:
    """The two streams of a session and how the first one looks."""

    out: Mouth
    err: Mouth
    style: Style

    @classmethod
    def standard(cls, secrets: Iterable[str], environ: Mapping[str, str]) -> Voice:
        """Speak on standard output and standard error."""
        # madengine prints them as Python and a shell write them, and a JSON line escapes some characters again.
        written = [form for text in secrets for form in (text, repr(text)[1:-1], shlex.quote(text))]
        texts = tuple(dict.fromkeys(form for text in written for form in (text, json.dumps(text)[1:-1])))
        return cls(Mouth(sys.stdout, texts), Mouth(sys.stderr, texts), Style.of(sys.stdout or io.StringIO(), environ))


def show_error(error: LauncherError) -> None:
    """Write an error to standard error; a text that the parts of the message share is not repeated."""
    Mouth(sys.stderr).say(str(error))


def show_text(text: str) -> None:
    """Write a text that a verb was asked for, such as a version or a list, to standard output."""
    Mouth(sys.stdout).say(text)
