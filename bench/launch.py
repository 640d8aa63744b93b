# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch: from the command to the first line of the last rank, by every tool in turn."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.figures import CLUSH, OURS, LaunchFigures, ToolLaunches
from bench.running import started
from bench.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.hosts import Hosts
    from bench.meter import Measured

# Many times what any of the tools takes; a tool that hangs is left out then.
_TIMEOUT_S, _TIMEOUT_PER_HOST_S = 30.0, 1.5
# Long enough for two looks at the memory after the last rank has begun.
_ALL_RUN_S = 2.5


@dataclass(frozen=True)
class Launch:
    """One launch by one tool."""

    seconds: float
    skew_s: float
    cpu_s: float


def measure_launches(hosts: Hosts, tools: Sequence[str], repetitions: int, say: Callable[[str], None]) -> LaunchFigures:
    """Let each tool launch on all hosts, `repetitions` times in turn; then look at the memory of ours and clush.

    Raises:
        BenchError: Ours or clush failed; the other tools are only left out then.
    """
    launches: dict[str, list[Launch]] = {tool: [] for tool in tools}
    failed: dict[str, str] = {}
    for repetition in range(repetitions):
        # Nobody is always the one that comes after the same other.
        for tool in tools if repetition % 2 == 0 else reversed(tools):
            if tool in failed:
                continue
            try:
                one = launch_once(hosts, tool)
            except BenchError as error:
                if tool in (OURS, CLUSH):
                    raise
                failed[tool] = str(error)
                say(f"{hosts.count} hosts: {tool} is left out: {error}")
                continue
            launches[tool].append(one)
            say(f"{hosts.count} hosts, {repetition + 1} of {repetitions}: {tool} {one.seconds:.2f} s")
    figures = {tool: _figures(each) for tool, each in launches.items() if tool not in failed}
    for tool in (OURS, CLUSH):
        if tool in figures:
            used = _memory(hosts, tool)
            figures[tool] = replace(
                figures[tool], peak_pss_bytes=used.peak_pss_bytes, peak_processes=used.peak_processes
            )
            say(f"{hosts.count} hosts, memory: {tool} {used.peak_pss_bytes / 1e6:.0f} MB")
    return LaunchFigures(hosts.count, figures, failed)


def _figures(launches: Sequence[Launch]) -> ToolLaunches:
    return ToolLaunches(
        tuple(one.seconds for one in launches),
        tuple(one.skew_s for one in launches),
        tuple(one.cpu_s for one in launches),
    )


def launch_once(hosts: Hosts, tool: str) -> Launch:
    """Launch ranks that say one line and end.

    Raises:
        BenchError: A rank said nothing, or the tool ended badly.
    """
    with started(TOOLS[tool](hosts, "bench_first")) as running:
        used = running.finish(_TIMEOUT_S + _TIMEOUT_PER_HOST_S * hosts.count)
        first = running.first_lines
        if len(first) != hosts.count or used.exit_code != 0:
            running.fail(f"{tool} ended with {used.exit_code}; {len(first)} of {hosts.count} ranks said anything")
    told_s = [line.told_s for line in first.values()]
    last_s = max(line.arrived_s for line in first.values())
    return Launch(last_s - used.started_at_s, max(told_s) - min(told_s), used.cpu_s)


def _memory(hosts: Hosts, tool: str) -> Measured:
    """Launch ranks that stay, look at the memory meanwhile, and end them."""
    with started(TOOLS[tool](hosts, "bench_wait"), memory=True) as running:
        running.wait_for_ranks(hosts.count, _TIMEOUT_S + _TIMEOUT_PER_HOST_S * hosts.count)
        time.sleep(_ALL_RUN_S)
        running.interrupt()
        used = running.finish(_TIMEOUT_S + _TIMEOUT_PER_HOST_S * hosts.count)
    if tool != OURS:
        hosts.end_waiting()
    return used
