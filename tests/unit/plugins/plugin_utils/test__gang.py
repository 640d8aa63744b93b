# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory through which the workers of a run hear of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir

if TYPE_CHECKING:
    from pathlib import Path


def test_claim_when_the_directory_has_a_run_then_is_refused(tmp_path: Path) -> None:
    """Two launches never share a directory, whatever their run ids; attempts of one run do not claim it again."""
    assert ControlDir(tmp_path / "run").claim("mad-1")
    assert not ControlDir(tmp_path / "run").claim("mad-2")
    assert not ControlDir(tmp_path / "run", 1).claim("mad-1")
    assert (tmp_path / "run/control/run").read_text() == "mad-1\n"


def test_claim_when_the_launch_was_interrupted_before_then_holds(tmp_path: Path) -> None:
    """A request to stop may be there before the plan is; it stays."""
    control = ControlDir(tmp_path)
    control.create()
    (control.path / "stop").write_text('{"reason": "interrupt"}')
    assert control.claim("mad-1")
    assert control.stop_request() == {"reason": "interrupt"}


def test_arrived_counts_the_ranks_of_each_attempt(tmp_path: Path) -> None:
    """Every rank of an attempt counts once, whether it was started or not."""
    gang = ControlDir(tmp_path)
    gang.create()
    counts = [gang.arrived()]
    for _ in range(2):
        ControlDir(tmp_path).arrive()
        counts.append(gang.arrived())
    assert (counts, ControlDir(tmp_path, 1).arrived()) == ([0, 1, 2], 0)
