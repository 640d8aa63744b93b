# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stream can show, and a reader that goes away."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from madlaunch.console_style import Style


@pytest.mark.parametrize(
    ("text", "plain", "colored"),
    [
        pytest.param("as it is ä", "as it is ä", "as it is ä", id="plain"),
        pytest.param("\x1b[31mred\x1b[m", "red", "\x1b[31mred\x1b[m\x1b[0m", id="color"),
        pytest.param("a\x1b[2K\x1b[1Ab\x1b]0;title\x07c", "abc", "abc\x1b[0m", id="cursor and title"),
        pytest.param("a\x1b[", "a", "a\x1b[0m", id="cut off"),
        pytest.param("a\x1b[>4;2mb\x1b\x1b[2Jc", "abc", "abc\x1b[0m", id="private and doubled"),
        pytest.param("tab\tbell\x07\r\x9b2J\u2028x", "tab\tbell2Jx", "tab\tbell2Jx", id="controls"),
        pytest.param("[host:0] forged [/bold]", "[host:0] forged [/bold]", "[host:0] forged [/bold]", id="markup"),
    ],
)
def test_safe_when_a_line_is_foreign_keeps_only_text_and_colors(text: str, plain: str, colored: str) -> None:
    """Nothing in a rank's line moves the cursor or makes a line of its own."""
    assert Style(color=False, unicode=True).safe(text) == plain
    assert Style(color=True, unicode=True).safe(text) == colored


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def __init__(self, *, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self.encoding = encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "encoding", "environ", "expected"),
    [
        pytest.param(True, "utf-8", {"TERM": "xterm"}, Style(color=True, unicode=True), id="terminal"),
        pytest.param(True, "UTF-8", {"TERM": "dumb"}, Style(color=False, unicode=True), id="dumb"),
        pytest.param(
            True, "utf-8", {"TERM": "xterm", "NO_COLOR": "1"}, Style(color=False, unicode=True), id="NO_COLOR"
        ),
        pytest.param(False, "utf-8", {"TERM": "xterm"}, Style(color=False, unicode=True), id="pipe"),
        pytest.param(False, "utf-8", {"FORCE_COLOR": "1"}, Style(color=True, unicode=True), id="FORCE_COLOR"),
        pytest.param(True, "ascii", {"TERM": "xterm"}, Style(color=True, unicode=False), id="ascii"),
        pytest.param(True, "utf-8", {"TERM": "xterm", "LC_ALL": "C"}, Style(color=True, unicode=False), id="LC_ALL=C"),
    ],
)
def test_style_when_a_stream_is_looked_at_fits_it(
    *,
    terminal: bool,
    encoding: str,
    environ: dict[str, str],
    expected: Style,
) -> None:
    """Colors only on a capable terminal, symbols only where they can be written."""
    assert Style.of(_Terminal(terminal=terminal, encoding=encoding), environ) == expected


def test_mouth_when_the_reader_has_gone_is_quiet_and_goes_on() -> None:
    """A closed pipe ends neither the session nor its exit code, and prints no traceback."""
    code = (
        "import sys\nfrom madlaunch.console import Mouth\nmouth = Mouth(sys.stdout)\n"
        "for _ in range(20000): mouth.say('x' * 100)\nprint(mouth.gone, file=sys.stderr)\nsys.exit(7)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"True\n"
        assert process.wait(20) == 7


def test_mouth_when_the_encoding_lacks_a_character_writes_its_number() -> None:
    """A terminal without Unicode does not end the session."""
    code = "import sys\nfrom madlaunch.console import Mouth\nMouth(sys.stdout).say('gr\\u00fcn')\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == b"gr\\xfcn\n"


def test_voice_when_standard_output_is_closed_keeps_silent() -> None:
    """A launcher started with a closed standard output runs all the same."""
    code = (
        "import sys\nfrom madlaunch.console import Voice\nvoice = Voice.standard((), {})\n"
        "voice.out.say('x')\nvoice.err.say(str(sys.stdout))\n"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, code],
        stderr=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == b"None\n"
