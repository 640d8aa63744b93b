# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node whose disk is full, or whose directory may not be written to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.action import job_result
from ansible_collections.madlaunch.multinode.plugins.module_utils import _verdict
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._results import RankFiles, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

CULPRIT = {"host": "node01", "node_rank": 1}


@pytest.fixture(name="full_disk")
def _full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB with a control directory and no room left."""
    if os.geteuid() != 0:
        pytest.skip("a disk that is full needs root (mount of a tmpfs)")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False).returncode != 0:
        pytest.skip("no right to mount a tmpfs here")
    ControlDir(disk).create()
    with (disk / "filler").open("wb", buffering=0) as stream:
        while os.statvfs(disk).f_bavail:
            stream.write(b"x" * 4096)
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_request_stop_when_the_disk_is_full_then_the_others_read_it_all_the_same(full_disk: Path) -> None:
    """The first request wins here too, and nothing is left beside it."""
    gang = ControlDir(full_disk)
    assert gang.request_stop("gang", CULPRIT) == ""
    assert gang.request_stop("lost", {"host": "node02", "node_rank": 2}) == ""
    assert ControlDir(full_disk).stop_request() == {"reason": "gang", **CULPRIT}
    assert [entry.name for entry in gang.path.iterdir()] == ["stop.0"]


def test_request_stop_when_there_is_no_directory_then_it_says_why(tmp_path: Path) -> None:
    """The caller must tell people, because nobody else hears of it."""
    assert ControlDir(tmp_path).request_stop("gang", CULPRIT) == f"{tmp_path}/control/stop.0: No such file or directory"


def test_keep_when_the_disk_is_full_then_each_file_is_named_and_none_is_left_in_part(full_disk: Path) -> None:
    """The verdict does not depend on the files."""
    files = RankFiles(full_disk, 1)
    reason = "No space left on device"
    expected = [f"{files.perf_csv}: {reason}", f"{files.summary}: {reason}"]
    assert files.keep({"perf_csv": "a\n" * 3000, "summary": {"a": "b" * 5000}}) == expected
    assert list((full_disk / "rank1").iterdir()) == []


def test_write_whole_when_there_is_room_then_only_the_file_is_there(tmp_path: Path) -> None:
    """An older file of that name is replaced."""
    assert [write_whole(tmp_path / "new/perf.csv", text) for text in ("one", "two")] == ["", ""]
    assert [(path.name, path.read_text()) for path in (tmp_path / "new").iterdir()] == [("perf.csv", "two")]


def test_create_when_the_directory_cannot_be_made_then_raises(tmp_path: Path) -> None:
    """The plan refuses such a directory."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        ControlDir(tmp_path / "file").create()


def test_result_when_its_files_cannot_be_written_then_the_verdict_stays_and_says_so(tmp_path: Path) -> None:
    """A run that went well has gone well; the paths of files that are not there are not given."""
    log_dir = tmp_path / "gone" / "run"
    plan = {"log_dir": str(log_dir), "nnodes": 1, "run_id": "mad-1", "model": "m", "hosts": {"a": {"node_rank": 0}}}
    results, error = job_result._merged(plan, log_dir)
    good = _verdict.RunOutcome("ok", 0, "all is well", None, (), results)
    told = job_result._with_summary(plan, job_result._without(good, error))
    reason = "No such file or directory"
    expected = [f"could not be written: {log_dir}/{name}: {reason}" for name in ("perf.csv", "summary.json")]
    assert (told.state, told.exit_code, dict(told.results)) == ("ok", 0, {})
    assert told.reason == "; ".join(["all is well", *expected])
