# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as values, and the arithmetic on them (pure)."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


# Names of the two tools that every bar of a launch is about.
OURS, CLUSH = "ours", "clush"


@dataclass(frozen=True)
class Spread:
    """Several values of one figure."""

    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Line:
    """A straight line through points: what one more host costs, and what remains without any."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class Tally:
    """How many lines were told, and what became of them on the way."""

    told: int
    lost: int
    doubled: int
    out_of_order: int


@dataclass(frozen=True)
class ToolLaunches:
    """What one tool needed in each repetition, and in a run of its own for the memory.

    Attributes:
        seconds: From the start of the command to the first line of the last rank.
        skew_s: Between the first lines of the first and the last rank, by their own clocks.
        cpu_s: CPU seconds of the control node for the whole run.
        peak_pss_bytes: Most memory of all its processes in a run whose ranks stay; None when it was not looked at.
        peak_processes: Most processes in that run.
    """

    seconds: tuple[float, ...]
    skew_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_pss_bytes: int | None = None
    peak_processes: int | None = None


@dataclass(frozen=True)
class LaunchFigures:
    """A launch on so many hosts, by all tools in turn; what a tool said that could not do it is in `failed`."""

    hosts: int
    tools: Mapping[str, ToolLaunches]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RelayFigures:
    """Lines that all ranks print at a rate.

    Attributes:
        hosts: How many ranks.
        lines_per_s: Rate of each rank.
        delays_s: Seconds from the time in a line to its arrival, at the percentiles 50, 95, 99 and 100.
        screen: The lines on standard output.
        logs: The lines in the logs of the control node.
        cpu_s_per_100k_lines: CPU seconds of the control node while the lines came.
    """

    hosts: int
    lines_per_s: int
    delays_s: Mapping[str, float]
    screen: Tally
    logs: Tally
    cpu_s_per_100k_lines: float


@dataclass(frozen=True)
class FloodFigures:
    """One rank at full speed, its lines in the log of the control node only.

    Attributes:
        lines_per_s: From the start of the rank to the last growth of the log, with the screen off.
        cpu_s_per_100k_lines: CPU seconds of the control node meanwhile.
        logs: The lines in the log.
        lines_per_s_shown: The same with every line also written to standard output, which goes to /dev/null.
    """

    lines_per_s: float
    cpu_s_per_100k_lines: float
    logs: Tally
    lines_per_s_shown: float


@dataclass(frozen=True)
class StopFigures:
    """Ctrl-C on so many hosts.

    Attributes:
        hosts: How many ranks.
        seconds: From the signal to the end of the launcher, which has said that all hosts are clean.
        warm_s: What two commands of clush take on connections that stand already.
        grace_s: What the launcher gives the ranks to end.
    """

    hosts: int
    seconds: tuple[float, ...]
    warm_s: tuple[float, ...]
    grace_s: float


@dataclass(frozen=True)
class IdleFigures:
    """All ranks run and say nothing.

    Attributes:
        hosts: How many ranks.
        window_s: For how long they were watched.
        control_cpu_percent: Of one core, by everything of the launcher on the control node.
        supervisor_pss_bytes: Memory of the largest supervisor, pages that supervisors share divided among them.
        supervisor_rss_bytes: The same with shared pages in full, as if it were alone on its node.
        supervisor_cpu_percent: Of one core, by one supervisor (mean).
    """

    hosts: int
    window_s: float
    control_cpu_percent: float
    supervisor_pss_bytes: int
    supervisor_rss_bytes: int
    supervisor_cpu_percent: float


@dataclass(frozen=True)
class Results:
    """All that was measured; parts that were left out are empty."""

    launch: tuple[LaunchFigures, ...] = ()
    relay: tuple[RelayFigures, ...] = ()
    flood: FloodFigures | None = None
    stop: tuple[StopFigures, ...] = ()
    idle: tuple[IdleFigures, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def spread(values: Sequence[float]) -> Spread:
    """Return median, least and most of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` percent of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def fitted_line(points: Sequence[tuple[float, float]]) -> Line:
    """Return the line with the least squares through points of at least two places."""
    slope, intercept = statistics.linear_regression(*zip(*points, strict=True))
    return Line(slope, intercept)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> list[tuple[float, float]]:
    """Return what was measured in the same repetition, as pairs."""
    return list(zip(ours, theirs, strict=True))


def tally(told: Mapping[int, int], arrived: Iterable[tuple[int, int]]) -> Tally:
    """Compare what ranks told with what arrived.

    Args:
        told: How many lines each rank has told, numbered from 0.
        arrived: Rank and number of each line, in the order of arrival.
    """
    counts: Counter[tuple[int, int]] = Counter()
    last: dict[int, int] = {}
    out_of_order = 0
    for rank, number in arrived:
        counts[rank, number] += 1
        out_of_order += number < last.get(rank, number)
        last[rank] = number
    wanted = {(rank, number) for rank, count in told.items() for number in range(count)}
    lost = len(wanted - counts.keys())
    doubled = sum(counts.values()) - len(counts)
    return Tally(len(wanted), lost, doubled, out_of_order)
