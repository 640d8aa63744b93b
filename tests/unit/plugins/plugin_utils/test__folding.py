# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that share one screen: whoever is left shows what is left, and no line is shown twice or not at all."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._folding import FoldedScreen

if TYPE_CHECKING:
    from collections.abc import Callable

RANKS = 3
LINES = 12


def _writer(path: Path) -> Callable[[str], None]:
    """Return a screen that several processes can write to."""

    def show(text: str) -> None:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")

    return show


def _work(folder: Path, rank: int, lines: int) -> None:
    """Print common lines and own ones, as the follower of one rank does; ranks with fewer lines end before."""
    with FoldedScreen(folder / "lines.0", f"n{rank}", rank, RANKS, _writer(folder / "screen")) as screen:
        for number in range(lines):
            screen.add([f"common {number}", f"own {number} of {rank}"])
            time.sleep(0.05)


def test_workers_that_end_one_after_the_other_then_every_line_is_shown_once(tmp_path: Path) -> None:
    """The first to show ends first; its place is taken, and each common line has one place on the screen."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(tmp_path, rank, LINES * (rank + 1))) for rank in range(RANKS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * RANKS
    shown = [line.partition("] ") for line in (tmp_path / "screen").read_text().splitlines()]
    own = Counter(text for _label, _, text in shown if text.startswith("own"))
    assert own == Counter(f"own {number} of {rank}" for rank in range(RANKS) for number in range(LINES * (rank + 1)))
    for rank in range(RANKS):
        mine = [text for label, _, text in shown if label == f"[n{rank}:{rank}" and text.startswith("own")]
        assert mine == [f"own {number} of {rank}" for number in range(LINES * (rank + 1))]


def test_screen_without_room_for_its_file_then_shows_lines_unfolded(tmp_path: Path) -> None:
    """A full disk of the control node costs the folding, not the lines."""
    shown: list[str] = []
    with FoldedScreen(tmp_path / "missing" / "lines.0", "n0", 0, 2, shown.append) as screen:
        screen.add(["one", "two"])
    assert shown == ["[n0:0] one\n[n0:0] two"]


def test_worker_that_ends_then_its_lines_are_on_the_screen(tmp_path: Path) -> None:
    """The outcome of a rank comes after its lines, also when nobody else prints the same."""
    shown: list[str] = []
    with FoldedScreen(tmp_path / "lines.0", "n0", 0, 2, shown.append) as screen:
        screen.add(["one"])
        assert shown == []
    assert shown == ["[n0:0] one"]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, collections_path: Path) -> None:
    """Let processes that are started anew find the collection."""
    root = Path(__file__).resolve().parents[4]
    monkeypatch.setenv("PYTHONPATH", f"{collections_path}:{root}")
