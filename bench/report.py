# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures as tables for people (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.bars import MEGABYTE, bars, growth_s
from bench.figures import CLUSH, paired, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from bench.bars import Bar
    from bench.figures import LaunchFigures, RelayFigures, Results, Tally

_WORDS = {True: "met", False: "MISSED", None: "not measured"}
_BYTES_PER_GIB = 1 << 30


def report(results: Results, machine: Mapping[str, Any]) -> str:
    """Return everything: the machine, a table per part, the bars."""
    parts = [_machine(machine), _launch(results), _relay(results), _stop(results), _idle(results)]
    parts += [bars_table(bars(results))]
    parts += [[f"Left out: {reason}"] for reason in results.left_out.values()]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _machine(machine: Mapping[str, Any]) -> list[str]:
    memory = machine["memory_bytes"] / _BYTES_PER_GIB
    hardware = f"{machine['cpu_model']}, {machine['cores']} cores, {memory:.0f} GiB, Linux {machine['kernel']}"
    return [
        f"{machine['date']}, commit {machine['commit']}",
        f"{hardware}, load {machine['load_average']:.1f} at the start; all hosts are on this machine too",
        f"Python {machine['python']}, ansible-core {machine['ansible_core']}, {machine['openssh']}",
    ]


def bars_table(judged: Sequence[Bar]) -> list[str]:
    """Return the bars beside the figures."""
    rows = [("bar", "figure", "", "", "how the figure is computed")]
    for bar in judged:
        limit = f"{'>=' if bar.at_least else '<='} {bar.bar:g} {bar.unit}"
        figure = "-" if bar.figure is None else f"{_number(bar.figure)} {bar.unit}"
        rows.append((bar.what, figure, limit, _WORDS[bar.met], bar.how))
    return ["Bars", *_table(rows)]


def _launch(results: Results) -> list[str]:
    if not results.launch:
        return []
    rows: list[tuple[str, ...]] = [
        ("hosts", "tool", "seconds", "skew s", "x clush", "CPU s/host", "MB/host", "processes")
    ]
    rows += [row for figures in results.launch for row in _launch_rows(figures)]
    slopes = {tool: growth_s(results.launch, tool) for tool in results.launch[0].tools}
    told = [f"{tool} {1000 * slope:.0f} ms" for tool, slope in slopes.items() if slope is not None]
    lines = ["Launch: from the command to the first line of the last rank; median (least..most)", *_table(rows)]
    lines += [f"One more host costs: {', '.join(told)}"] if told else []
    return lines + [
        f"Left out at {figures.hosts} hosts: {name}: {why}"
        for figures in results.launch
        for name, why in figures.failed.items()
    ]


def _launch_rows(figures: LaunchFigures) -> Iterator[tuple[str, ...]]:
    hosts = figures.hosts
    for name, tool in figures.tools.items():
        ratio = ""
        if CLUSH in figures.tools and name != CLUSH:
            pairs = paired(tool.seconds, figures.tools[CLUSH].seconds)
            ratio = f"{spread([one / other for one, other in pairs]).median:.2f}"
        memory = "" if tool.peak_pss_bytes is None else f"{tool.peak_pss_bytes / hosts / MEGABYTE:.1f}"
        processes = "" if tool.peak_processes is None else str(tool.peak_processes)
        cpu_s = spread(tool.cpu_s).median / hosts
        yield str(hosts), name, _spread(tool.seconds), _spread(tool.skew_s), ratio, f"{cpu_s:.3f}", memory, processes


def _relay(results: Results) -> list[str]:
    lines = []
    if results.relay:
        rows: list[tuple[str, ...]] = [
            ("load", "p50 s", "p95 s", "p99 s", "most s", "lost", "doubled", "out of order", "CPU s/100k lines")
        ]
        rows += [_relay_row(figures) for figures in results.relay]
        lines += ["Relay: from the time in a line to its arrival on the launcher's standard output", *_table(rows)]
    if results.flood:
        flood = results.flood
        lines.append(
            f"One rank, {flood.logs.told} lines at full speed: {flood.lines_per_s:.0f} lines/s to file with the screen "
            f"off ({flood.cpu_s_per_100k_lines:.2f} CPU s/100k lines, {flood.logs.lost} lost, {flood.logs.doubled} "
            f"doubled); {flood.lines_per_s_shown:.0f} lines/s when shown too"
        )
    return lines


def _relay_row(figures: RelayFigures) -> tuple[str, ...]:
    delays = [f"{delay_s:.3f}" for delay_s in figures.delays_s.values()]
    tallies = (figures.screen, figures.logs)
    counts = [_both(tallies, name) for name in ("lost", "doubled", "out_of_order")]
    return f"{figures.hosts} x {figures.lines_per_s}/s", *delays, *counts, f"{figures.cpu_s_per_100k_lines:.2f}"


def _both(tallies: tuple[Tally, Tally], name: str) -> str:
    """Return a count for the screen and for the logs; once if they are the same."""
    screen, logs = (getattr(each, name) for each in tallies)
    return str(screen) if screen == logs else f"{screen} screen, {logs} logs"


def _stop(results: Results) -> list[str]:
    if not results.stop:
        return []
    rows = [("hosts", "stop s", "two warm commands of clush s", "ratio")]
    for figures in results.stop:
        ratios = [one / other for one, other in paired(figures.seconds, figures.warm_s)]
        rows.append((str(figures.hosts), _spread(figures.seconds), _spread(figures.warm_s), _spread(ratios)))
    return ["Stop: from Ctrl-C to the end, with all hosts seen clean; median (least..most)", *_table(rows)]


def _idle(results: Results) -> list[str]:
    if not results.idle:
        return []
    rows = [("hosts", "watched s", "control CPU %", "supervisor PSS MB", "RSS MB", "supervisor CPU %")]
    for one in results.idle:
        memory = (f"{one.supervisor_pss_bytes / MEGABYTE:.1f}", f"{one.supervisor_rss_bytes / MEGABYTE:.1f}")
        control = f"{one.control_cpu_percent:.1f}"
        rows.append((str(one.hosts), f"{one.window_s:.0f}", control, *memory, f"{one.supervisor_cpu_percent:.3f}"))
    return ["Idle: no rank says anything", *_table(rows)]


def _spread(values: Sequence[float]) -> str:
    found = spread(values)
    return f"{found.median:.2f} ({found.least:.2f}..{found.most:.2f})" if len(values) > 1 else f"{found.median:.2f}"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"  # noqa: PLR2004 - three figures are enough


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows with a head as aligned lines."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
