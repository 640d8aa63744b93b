# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fold the lines that several ranks print within a short window into one.

Private to the collection. Pure: lines of ranks in, lines to show out, each `[node[01-16]:0-15] line`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW_S = 1.0
_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)\Z", re.DOTALL)


class RankLine(NamedTuple):
    """One line of one rank, and when it came (seconds on one clock for all ranks)."""

    at_s: float
    host: str
    node_rank: int
    text: str


@dataclass
class _Group:
    """A line and who has printed it so far."""

    number: int
    began_s: float
    text: str
    hosts: dict[int, str] = field(default_factory=dict)


class Folder:
    """Takes lines in the order of their arrival and gives them out, each once.

    A line waits for at most `window_s` for the same line of the other ranks; one that all `count` ranks have printed
    does not wait. The lines of one rank are never given out in another order than it printed them.
    """

    def __init__(self, count: int, window_s: float = WINDOW_S) -> None:
        self._count = count
        self._window_s = window_s
        self._groups: deque[_Group] = deque()
        # Per text the numbers of the groups that wait, in order; a rank may print the same line many times.
        self._open: dict[str, list[int]] = {}
        self._by_number: dict[int, _Group] = {}
        self._latest: dict[int, int] = {}
        self._next = 0

    @property
    def empty(self) -> bool:
        """Whether no line waits."""
        return not self._groups

    def add(self, line: RankLine) -> None:
        """Take one line."""
        numbers = self._open.setdefault(line.text, [])
        # Only behind what this rank printed last.
        place = bisect_right(numbers, self._latest.get(line.node_rank, -1))
        group = self._by_number[numbers[place]] if place < len(numbers) else self._new_group(line, numbers)
        group.hosts[line.node_rank] = line.host
        self._latest[line.node_rank] = group.number

    def _new_group(self, line: RankLine, numbers: list[int]) -> _Group:
        group = _Group(self._next, line.at_s, line.text)
        self._next += 1
        self._groups.append(group)
        self._by_number[group.number] = group
        numbers.append(group.number)
        return group

    def due(self, now_s: float) -> list[str]:
        """Return the lines whose time has come; `float("inf")` for all."""
        shown = []
        while self._groups:
            first = self._groups[0]
            if len(first.hosts) < self._count and now_s < first.began_s + self._window_s:
                break
            self._groups.popleft()
            del self._by_number[first.number]
            # The first of all that wait is the first of those with its text.
            waiting = self._open[first.text]
            del waiting[0]
            if not waiting:
                del self._open[first.text]
            shown.append(f"{label(first.hosts)} {first.text}")
        return shown


def label(hosts: dict[int, str]) -> str:
    """Return `[hosts:ranks]` of the ranks (rank to host); of one rank it is the label that its lines always have."""
    ranks = sorted(hosts)
    return f"[{folded_names([hosts[rank] for rank in ranks])}:{folded_numbers([str(rank) for rank in ranks])}]"


def folded_names(names: Iterable[str]) -> str:
    """Return names as `node[01-03,07],gpu1`: those that differ only in their last number together, in order."""
    numbers: dict[tuple[str, str], list[str]] = {}
    plain: dict[str, tuple[str, str]] = {}
    for name in dict.fromkeys(names):
        match = _LAST_NUMBER.match(name)
        prefix, number, suffix = match.groups() if match else (name, "", "")
        plain[name] = (prefix, suffix)
        numbers.setdefault((prefix, suffix), []).append(number)
    parts = []
    for prefix, suffix in dict.fromkeys(plain.values()):
        found = numbers[prefix, suffix]
        folded = found[0] if len(found) == 1 else f"[{folded_numbers(found)}]"
        parts.append(prefix + folded + suffix)
    return ",".join(parts)


def folded_numbers(numbers: Iterable[str]) -> str:
    """Return numbers as `0-2,5`; those of a range are written with as many digits as each other."""
    ranges: list[tuple[str, str]] = []
    for number in sorted(dict.fromkeys(numbers), key=lambda text: (int(text), len(text))):
        if ranges and _follows(ranges[-1][1], number):
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ",".join(first if first == last else f"{first}-{last}" for first, last in ranges)


def _follows(before: str, number: str) -> bool:
    padded = before.startswith("0") or number.startswith("0")
    return int(number) == int(before) + 1 and (len(before) == len(number) or not padded or before == "0")
