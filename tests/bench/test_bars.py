# SPDX-License-Identifier: GPL-3.0-or-later
"""What is judged, and by which figure."""

from __future__ import annotations

from bench.bars import bars
from bench.figures import (
    CLUSH,
    OURS,
    FloodFigures,
    IdleFigures,
    LaunchFigures,
    RelayFigures,
    Results,
    StopFigures,
    Tally,
    ToolLaunches,
)
from bench.report import report

MACHINE = {
    "date": "2026-12-01",
    "commit": "abc",
    "cpu_model": "a model",
    "cores": 2,
    "memory_bytes": 1 << 34,
    "kernel": "6.1",
    "load_average": 0.1,
    "python": "3.11.2",
    "ansible_core": "2.19.0",
    "openssh": "OpenSSH_9.2p1",
}


def _launches(hosts: int, ours_s: tuple[float, ...], clush_s: tuple[float, ...]) -> LaunchFigures:
    skew_s = (0.1,) * len(ours_s)
    return LaunchFigures(
        hosts,
        {
            OURS: ToolLaunches(ours_s, skew_s, ours_s, peak_pss_bytes=hosts * 10_000_000),
            CLUSH: ToolLaunches(clush_s, skew_s, clush_s),
        },
    )


ALL_LINES = Tally(100, 0, 0, 0)
FULL = Results(
    launch=(
        _launches(2, (2.0, 4.0, 3.0), (1.0, 1.0, 1.0)),
        _launches(32, (8.0, 6.0, 9.0), (4.0, 6.0, 5.0)),
        _launches(64, (12.0,), (10.0,)),
    ),
    relay=(RelayFigures(16, 100, {"50": 0.1, "95": 0.9, "99": 2.5, "100": 3.0}, ALL_LINES, Tally(100, 1, 2, 0), 5.0),),
    flood=FloodFigures(60_000.0, 1.0, ALL_LINES, 20_000.0),
    stop=(StopFigures(64, (20.0, 18.0), (4.0, 4.0), 15.0),),
    idle=(IdleFigures(64, 60.0, 4.0, 9_000_000, 11_000_000, 0.05),),
)


def test_bars_when_everything_was_measured_then_each_has_its_figure_and_its_judgment() -> None:
    """Ratios are of the same repetition, and the median is of the ratios; growth is by the medians of all sizes."""
    judged = [(bar.what, None if bar.figure is None else round(bar.figure, 3), bar.met) for bar in bars(FULL)]
    assert judged == [
        ("launch, 32 hosts", 1.8, False),
        ("launch, 64 hosts", 1.2, True),
        ("launch, 2 hosts", 2.0, True),
        ("launch, growth", 0.998, True),
        ("launch, CPU, 64 hosts", 1.2, True),
        ("launch, memory, 64 hosts", 10.0, True),
        ("relay, 16 x 100 lines/s, p95", 0.9, True),
        ("relay, 16 x 100 lines/s, p99", 2.5, False),
        ("relay, lines lost or doubled", 3.0, False),
        ("relay, one rank at full speed", 60000.0, True),
        ("stop, 64 hosts", 1.0, True),
        ("stop, 64 hosts, strict", 4.75, False),
        ("idle, 64 hosts, control node", 4.0, True),
        ("idle, 64 hosts, supervisor", 9.0, True),
        ("idle, 64 hosts, supervisor", 0.05, True),
    ]


def test_bars_when_nothing_was_measured_then_none_is_met_and_none_is_missed() -> None:
    """A bar that was not looked at is no success."""
    assert {(bar.figure, bar.met) for bar in bars(Results())} == {(None, None)}


def test_bars_when_only_other_sizes_were_measured_then_those_of_named_sizes_are_not_judged() -> None:
    """A ratio on 8 hosts says nothing of one on 64, and between 4 and 8 hosts the growth is mostly noise."""
    few = Results(launch=(_launches(4, (3.0,), (1.0,)), _launches(8, (4.0,), (2.0,))))
    assert {bar.met for bar in bars(few)} == {None}


def test_bars_when_a_launch_on_more_hosts_was_quicker_then_the_growth_is_not_judged() -> None:
    """That says that something else ran on the machine, not that hosts cost nothing."""
    odd = Results(launch=(_launches(4, (9.0,), (1.0,)), _launches(128, (4.0,), (2.0,))))
    assert {bar.met for bar in bars(odd)} == {None}


def test_bars_when_clush_is_missing_then_what_needs_it_is_not_measured() -> None:
    """Without the comparison there is no ratio."""
    alone = LaunchFigures(64, {OURS: ToolLaunches((1.0,), (0.1,), (1.0,))})
    assert {bar.met for bar in bars(Results(launch=(alone,)))} == {None}


def test_report_when_everything_was_measured_then_has_every_part_and_what_was_left_out() -> None:
    """The bars stand beside the figures; a tool that was left out is named with its reason."""
    failed = LaunchFigures(8, _launches(8, (3.0,), (1.0,)).tools, {"mpirun": "it hung"})
    results = Results((*FULL.launch, failed), FULL.relay, FULL.flood, FULL.stop, FULL.idle, {"pdsh": "no pdsh"})
    text = report(results, MACHINE)
    titles = [line.split(":")[0] for line in text.splitlines()]
    assert {"Launch", "Relay", "Stop", "Idle", "Bars"} <= set(titles)
    assert "Left out at 8 hosts: mpirun: it hung" in text
    assert "Left out: no pdsh" in text
    assert text.count("MISSED") == 4
