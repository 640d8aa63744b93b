# SPDX-License-Identifier: GPL-3.0-or-later
"""The private folder of a play: whose it is, and who removes it."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from madlaunch.scratch import scratch_directory

if TYPE_CHECKING:
    from pathlib import Path

_HOLD = """
import sys, time
from madlaunch.scratch import scratch_directory
with scratch_directory() as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_scratch_directory_when_left_is_gone_and_was_the_owners_alone(temporary: Path) -> None:
    """Mode 0700, and nothing of it stays."""
    with scratch_directory() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "x").write_text("x")
    assert list(temporary.iterdir()) == []


def test_scratch_directory_when_an_owner_lives_leaves_its_folder_and_when_killed_removes_it(
    temporary: Path, repository: Path
) -> None:
    """The folder of a launcher is safe as long as that runs, and goes with the next one after SIGKILL."""
    with subprocess.Popen([sys.executable, "-c", _HOLD], cwd=repository, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        held = owner.stdout.readline().strip()
        with scratch_directory():
            kept = [str(path) for path in temporary.iterdir()]
        owner.kill()
    assert held in kept
    with scratch_directory() as folder:
        assert list(temporary.iterdir()) == [folder]


def test_scratch_directory_when_others_lie_beside_touches_only_what_has_a_free_lock(temporary: Path) -> None:
    """A folder without a lock, a link and another name are not ours to judge."""
    target = temporary / "elsewhere"
    for path in (temporary / "madlaunch-new", target, temporary / "mad-sockets"):
        path.mkdir()
    (target / "owner.lock").touch()
    (temporary / "madlaunch-link").symlink_to(target)
    with scratch_directory():
        pass
    assert sorted(path.name for path in temporary.rglob("*")) == [
        "elsewhere",
        "mad-sockets",
        "madlaunch-link",
        "madlaunch-new",
        "owner.lock",
    ]
