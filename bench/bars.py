# SPDX-License-Identifier: GPL-3.0-or-later
"""The bars: what the launcher is held to, how each figure is computed, and whether it is met (pure)."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import CLUSH, OURS, fitted_line, paired

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bench.figures import LaunchFigures, Results

MEGABYTE = 1e6


@dataclass(frozen=True)
class Bar:
    """One figure beside its bar.

    Attributes:
        what: What is judged.
        how: How the figure is computed.
        figure: The figure; None when this run did not measure it.
        bar: What it is compared with.
        unit: Of both; a ratio has "x".
        at_least: Whether the figure must be at least the bar; otherwise at most.
    """

    what: str
    how: str
    figure: float | None
    bar: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None when nothing was measured."""
        if self.figure is None:
            return None
        return self.figure >= self.bar if self.at_least else self.figure <= self.bar


# What each bar is about. Sizes are those that the bars name; others are in the tables only.
RATIO_AT = (32, 64)
DIFFERENCE_AT = 2
STOP_AT, IDLE_AT = 64, 64
RELAY_AT = (16, 100)
PER_HOST_AT = 64
GROWTH_FROM = 32


def bars(results: Results) -> list[Bar]:
    """Return all bars, in the order in which they were set."""
    return [*_launch(results), *_relay(results), *_stop(results), *_idle(results)]


def _launch(results: Results) -> Iterator[Bar]:
    by_hosts = {each.hosts: each for each in results.launch if {OURS, CLUSH} <= each.tools.keys()}
    for hosts in RATIO_AT:
        how = "ours / clush, median of the repetitions"
        yield Bar(f"launch, {hosts} hosts", how, _ratio(by_hosts.get(hosts), "seconds"), 1.5, "x")
    two = by_hosts.get(DIFFERENCE_AT)
    yield Bar(f"launch, {DIFFERENCE_AT} hosts", "ours - clush, median of the repetitions", _difference_s(two), 2.5, "s")
    yield Bar(
        "launch, growth", "slope of the medians over the hosts, ours / clush", _growth(by_hosts.values()), 1.3, "x"
    )
    per_host = by_hosts.get(PER_HOST_AT)
    what = f"launch, CPU, {PER_HOST_AT} hosts"
    yield Bar(what, "control node, whole run, ours / clush, median", _ratio(per_host, "cpu_s"), 1.5, "x")
    peak = per_host.tools[OURS].peak_pss_bytes if per_host else None
    figure = None if peak is None else peak / PER_HOST_AT / MEGABYTE
    yield Bar(f"launch, memory, {PER_HOST_AT} hosts", "peak PSS of all of ours / hosts", figure, 12.0, "MB")


def _ratio(figures: LaunchFigures | None, name: str) -> float | None:
    """Return the median over the repetitions of ours / clush."""
    if figures is None:
        return None
    ours, clush = (getattr(figures.tools[tool], name) for tool in (OURS, CLUSH))
    return statistics.median(one / other for one, other in paired(ours, clush))


def _difference_s(figures: LaunchFigures | None) -> float | None:
    if figures is None:
        return None
    pairs = paired(figures.tools[OURS].seconds, figures.tools[CLUSH].seconds)
    return statistics.median(one - other for one, other in pairs)


def growth_s(launches: Collection[LaunchFigures], tool: str) -> float | None:
    """Return the seconds that one more host costs a tool: the slope through its medians; None for one size alone."""
    points = [
        (float(each.hosts), statistics.median(each.tools[tool].seconds)) for each in launches if tool in each.tools
    ]
    return fitted_line(points).slope if len({hosts for hosts, _ in points}) > 1 else None


def _growth(launches: Collection[LaunchFigures]) -> float | None:
    """Return the growth of ours by that of clush; None where so few hosts were measured that it is mostly noise."""
    ours, clush = growth_s(launches, OURS), growth_s(launches, CLUSH)
    if ours is None or clush is None or max(each.hosts for each in launches) < GROWTH_FROM:
        return None
    return ours / clush if ours > 0 and clush > 0 else None


def _relay(results: Results) -> Iterator[Bar]:
    hosts, rate = RELAY_AT
    load = next((each for each in results.relay if (each.hosts, each.lines_per_s) == RELAY_AT), None)
    for percent, bar_s in (("95", 1.0), ("99", 2.0)):
        figure = load.delays_s[percent] if load else None
        yield Bar(f"relay, {hosts} x {rate} lines/s, p{percent}", "arrival - time in the line", figure, bar_s, "s")
    tallies = [each for load in results.relay for each in (load.screen, load.logs)]
    tallies += [results.flood.logs] if results.flood else []
    wrong = float(sum(each.lost + each.doubled for each in tallies)) if tallies else None
    yield Bar("relay, lines lost or doubled", "all loads, on the screen and in the logs", wrong, 0.0, "lines")
    speed = results.flood.lines_per_s if results.flood else None
    yield Bar("relay, one rank at full speed", "to file, screen off", speed, 50_000.0, "lines/s", at_least=True)


def _stop(results: Results) -> Iterator[Bar]:
    at = next((each for each in results.stop if each.hosts == STOP_AT), None)
    what = f"stop, {STOP_AT} hosts"
    strict = with_grace = None
    if at is not None:
        pairs = paired(at.seconds, at.warm_s)
        strict = statistics.median(seconds / warm_s for seconds, warm_s in pairs)
        with_grace = statistics.median(max(0.0, seconds - at.grace_s) / warm_s for seconds, warm_s in pairs)
    yield Bar(what, "(stop - grace, at least 0) / two warm commands of clush", with_grace, 1.5, "x")
    yield Bar(f"{what}, strict", "the same without the grace, which these ranks do not need", strict, 1.5, "x")


def _idle(results: Results) -> Iterator[Bar]:
    at = next((each for each in results.idle if each.hosts == IDLE_AT), None)
    what = f"idle, {IDLE_AT} hosts"
    yield Bar(f"{what}, control node", "CPU of one core", at.control_cpu_percent if at else None, 5.0, "%")
    memory = at.supervisor_pss_bytes / MEGABYTE if at else None
    yield Bar(f"{what}, supervisor", "PSS of the largest", memory, 12.0, "MB")
    yield Bar(f"{what}, supervisor", "CPU of one core, mean", at.supervisor_cpu_percent if at else None, 0.1, "%")
