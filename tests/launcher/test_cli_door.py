# SPDX-License-Identifier: GPL-3.0-or-later
"""The outermost door: closed streams, a deleted working directory, errors that nobody expected."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from madlaunch import cli
from madlaunch.errors import UsageError
from madlaunch.runs import state_directory

WORDS = ("--model", "m", "--nodes", "a")


def _shell(script: str, repository: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which ``$RUN`` is the launcher."""
    environ = {**os.environ, "RUN": f"{sys.executable} {repository / 'launcher.py'}", "GONE": str(cwd)}
    environ["MADLAUNCH_STATE_DIR"] = str(cwd.parent / "state")
    return subprocess.run(["sh", "-c", script], cwd=cwd, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        pytest.param("$RUN --version >&-", 0, "", id="stdout closed"),
        pytest.param("$RUN --help >&-", 0, "", id="help to nowhere"),
        pytest.param("$RUN run --no-such-flag 2>&-", 2, "", id="stderr closed"),
        pytest.param("$RUN --dry-run --model m --nodes a <&- >&- 2>&-", 0, "", id="all closed"),
        pytest.param('rmdir "$GONE"; $RUN --model m --nodes a', 2, "working directory", id="directory deleted"),
    ],
)
def test_launcher_when_its_surroundings_are_broken_says_so_without_a_traceback(
    tmp_path: Path, repository: Path, script: str, code: int, words: str
) -> None:
    """A closed stream is like one that nobody reads; a deleted directory is refused with what to do."""
    (tmp_path / "here").mkdir()
    done = _shell(script, repository, tmp_path / "here")
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert words in done.stderr
    assert "next: " in done.stderr or not words


def _fail(error: Exception) -> cli.Engine:
    def engine(launch: object) -> int:
        del launch
        raise error

    return engine


@pytest.mark.parametrize(
    ("error", "start"),
    [
        pytest.param(
            ZeroDivisionError("division by zero"),
            "error: a fault of madlaunch itself, not of what it was asked for: ZeroDivisionError: division by zero\n",
            id="our fault",
        ),
        pytest.param(
            OSError(28, "No space left on device", "/tmp/x"),
            "error: this machine refused what madlaunch needs: [Errno 28] No space left on device: '/tmp/x'\n",
            id="the machine's",
        ),
    ],
)
@pytest.mark.parametrize("way", ["quiet", "--verbose", "MADLAUNCH_DEBUG"])
def test_main_when_something_unexpected_is_raised_tells_what_to_do_and_ends_with_5(
    error: Exception, start: str, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traceback comes only for those who ask for it."""
    if way == "MADLAUNCH_DEBUG":
        monkeypatch.setenv(way, "1")
    words = (*WORDS, way) if way == "--verbose" else WORDS
    assert cli.main(words, engine=_fail(error)) == 5
    shown = capsys.readouterr().err
    assert shown.startswith(start)
    assert ("Traceback (most recent call last)" in shown) == (way != "quiet")
    assert "\nnext: " in shown
    assert "MADLAUNCH_DEBUG=1" in shown


def test_state_directory_when_the_user_has_no_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a matter of the environment: exit code 2, with the variable that helps."""

    def nowhere() -> Path:
        msg = "Could not determine home directory."
        raise RuntimeError(msg)

    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UsageError, match="home directory") as caught:
        state_directory({})
    assert "MADLAUNCH_STATE_DIR" in caught.value.next_step
