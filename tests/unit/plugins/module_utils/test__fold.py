# SPDX-License-Identifier: GPL-3.0-or-later
"""Folding lines of several ranks: each once, none lost, the order of every rank kept."""

from __future__ import annotations

import random

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._fold import (
    Folder,
    RankLine,
    folded_names,
    folded_numbers,
    label,
)

ALL = float("inf")


def fold(lines: list[tuple[float, int, str]], count: int = 3) -> list[str]:
    """Return what is shown of (time, rank, text), everything at the end."""
    folder = Folder(count, window_s=1.0)
    shown = []
    for at_s, rank, text in lines:
        shown += folder.due(at_s)
        folder.add(RankLine(at_s, f"node{rank + 1:02d}", rank, text))
    return shown + folder.due(ALL)


def test_line_of_all_ranks_is_shown_at_once_and_once() -> None:
    """Nobody is waited for when all have printed it."""
    folder = Folder(2)
    folder.add(RankLine(0.0, "a1", 0, "x"))
    assert folder.due(0.5) == []
    folder.add(RankLine(0.6, "a2", 1, "x"))
    assert (folder.due(0.6), folder.empty) == (["[a[1-2]:0-1] x"], True)


def test_line_of_one_rank_is_shown_after_the_window_under_its_own_label() -> None:
    """Its label is the one that it has without folding."""
    folder = Folder(2)
    folder.add(RankLine(0.0, "a1", 0, "x"))
    assert (folder.due(0.99), folder.due(1.0)) == ([], ["[a1:0] x"])


def test_line_that_comes_after_the_window_is_shown_again() -> None:
    """What was shown cannot be taken back."""
    assert fold([(0.0, 0, "x"), (0.5, 1, "x"), (2.0, 2, "x")]) == ["[node[01-02]:0-1] x", "[node03:2] x"]


def test_line_that_a_rank_repeats_is_shown_as_often() -> None:
    """Two lines of one rank are two, however alike."""
    lines = [(0.0, 0, "x"), (0.1, 0, "x"), (0.2, 1, "x"), (0.3, 1, "x")]
    assert fold(lines) == ["[node[01-02]:0-1] x", "[node[01-02]:0-1] x"]


@pytest.mark.parametrize("seed", range(20))
def test_lines_of_every_rank_stay_whole_and_in_order(seed: int) -> None:
    """Unfolded again, each rank has exactly its lines, whatever the others printed between them."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    lines, now_s = [], 0.0
    for _ in range(200):
        now_s += chance.choice([0.0, 0.05, 0.6])
        lines.append((now_s, chance.randrange(3), chance.choice("abc")))
    folder = Folder(3, window_s=1.0)
    shown: list[str] = []
    for at_s, rank, text in lines:
        shown += folder.due(at_s)
        folder.add(RankLine(at_s, f"n{rank}", rank, text))
    shown += folder.due(ALL)
    for rank in range(3):
        mine = [text for _at_s, whose, text in lines if whose == rank]
        labels = {label({one: f"n{one}" for one in ranks}) for ranks in ((rank,), *PAIRS[rank], (0, 1, 2))}
        assert [line[-1] for line in shown if line[:-2] in labels] == mine


PAIRS = {0: ((0, 1), (0, 2)), 1: ((0, 1), (1, 2)), 2: ((0, 2), (1, 2))}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["node01"], "node01"),
        (["node01", "node02", "node03", "node07"], "node[01-03,07]"),
        (["node8", "node9", "node10", "node11"], "node[8-11]"),
        (["node09", "node10"], "node[09-10]"),
        (["198.18.0.1", "198.18.0.2", "198.18.1.1"], "198.18.0.[1-2],198.18.1.1"),
        (["a1.x", "b", "a2.x"], "a[1-2].x,b"),
        (["::1"], "::1"),
    ],
    ids=["one", "gap", "unpadded", "padded", "addresses", "domain", "ipv6"],
)
def test_names_are_folded_by_their_last_number(names: list[str], expected: str) -> None:
    """As the launcher takes them in --nodes."""
    assert folded_names(names) == expected


def test_numbers_of_different_width_do_not_make_a_range() -> None:
    """`01` and `2` are two names, not a range."""
    assert (folded_numbers(["01", "2"]), folded_numbers(["5", "0", "1", "2"])) == ("01,2", "0-2,5")
