# SPDX-License-Identifier: GPL-3.0-or-later
"""quick-start.sh does what the README promises first, for whoever runs the tests, and without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import REPOSITORY, environment

if TYPE_CHECKING:
    from pathlib import Path

NOT_COPIED = (".*", "__pycache__", "tests.egg-info")
# Of its own: no network but its loopback, and no process of another test, which would be found as a leftover.
ALONE = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
ALONE += ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
USAGE = 2


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the repository, in whose environment everything is installed that it wants: that of this test."""
    copy = tmp_path / "a clone"
    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    python = copy / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    texts = [path.read_text() for path in sorted(copy.glob("requirements*.txt"))]
    (copy / ".venv/.installed").write_text(f"-r requirements.txt {''.join(texts)}")
    return copy


def _can_be_alone() -> bool:
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_quick_start_when_run_then_trains_and_leaves_only_the_record(clone: Path, tmp_path: Path) -> None:
    """Two nodes on loopback, one training, the verdict; nodes and temporary files are gone."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    env = environment(tmp_path / "state", HOME=str(home), TMPDIR=str(temporary), PYTHONDONTWRITEBYTECODE="1")
    argv = [*(ALONE if _can_be_alone() else []), "bash", str(clone / "quick-start.sh")]
    done = subprocess.run(
        argv, env=env, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Installing" not in done.stdout
    assert "python launcher.py --model demo_train --master-port " in done.stdout
    assert "That was real: two SSH logins" in done.stdout
    assert [path.name for path in temporary.iterdir() if path.name.startswith("tmp.")] == []
    (run,) = (tmp_path / "state/runs").iterdir()
    assert {"rank0.log", "rank1.log", "perf.csv", "run.json"} <= {path.name for path in run.iterdir()}


def test_quick_start_when_it_is_given_a_flag_that_it_does_not_have_then_says_how_it_is_called() -> None:
    """It starts and installs nothing."""
    argv = ["bash", str(REPOSITORY / "quick-start.sh"), "--nodes"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith("Usage: bash quick-start.sh [--help]\n")
