# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the user's programs for a moment: where they are found, in which environment, how long they may take."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import NamedTuple

from .paths import from_home

# Where ROCm puts its tools; madengine cannot work without them, and a non-interactive login often lacks it.
ROCM_BIN = "/opt/rocm/bin"


class Ran(NamedTuple):
    """What a program did. `rc` is None when it did not end within its time or could not be started."""

    rc: int | None
    stdout: str
    stderr: str
    error: str | None


def search_path() -> str:
    """Return PATH as the job will have it."""
    return ROCM_BIN + os.pathsep + os.environ.get("PATH", os.defpath)


def find(program: str) -> str | None:
    """Return the absolute path of an executable given as a name, an absolute, a relative (to the home) or a ~-path."""
    if "/" not in program:
        found = shutil.which(program, path=search_path())
        return os.path.abspath(found) if found else None
    path = from_home(program)
    return path if os.path.isfile(path) and os.access(path, os.X_OK) else None


def environment() -> dict[str, str]:
    """Return the environment in which madengine is asked.

    Without MODEL_DIR, because madengine then copies that folder into the working directory, whatever it was asked;
    UTF-8 because version 2 prints emoji and dies without; wide, because its tables are cut at COLUMNS.
    """
    values = {name: value for name, value in os.environ.items() if name != "MODEL_DIR"}
    values.update(PATH=search_path(), PYTHONUTF8="1", PYTHONDONTWRITEBYTECODE="1", COLUMNS="200", NO_COLOR="1")
    return values


def run(argv: list[str], cwd: str, timeout_s: float) -> Ran:
    """Run a program to its end or its time limit; then it and all that it started are killed."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Ran(None, "", "", str(error))
    with process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Ran(None, "", "", f"did not end within {timeout_s:g} s")
    return Ran(process.returncode, _text(stdout), _text(stderr), None)


def last_lines(text: str, count: int, max_chars: int) -> str:
    """Return the last lines that hold anything, cut from the front to `max_chars`."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-count:])[-max_chars:]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
