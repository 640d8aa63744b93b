# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine that a node could have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

OLDEST, NEWEST = 8, 13


def found() -> dict[int, Path]:
    """Return the interpreters of Python 3.8 to 3.13, by their minor version: on PATH, or where pyenv puts them."""
    seen = {minor: _interpreter(minor) for minor in range(OLDEST, NEWEST + 1)}
    return {minor: path for minor, path in seen.items() if path is not None}


def _interpreter(minor: int) -> Path | None:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names = [
        shutil.which(f"python3.{minor}", path="/usr/bin:/usr/local/bin"),
        *map(str, root.glob(f"3.{minor}.*/bin/python3")),
    ]
    return next((Path(name) for name in names if name and _version(name) == (3, minor)), None)


def _version(program: str) -> tuple[int, ...]:
    """Return the version that an interpreter says it has, without its last part; nothing if it cannot be run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:2])
