# SPDX-License-Identifier: GPL-3.0-or-later
"""Idle: what a launch costs while no rank says anything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.figures import IdleFigures
from bench.proc import pss_bytes, rss_bytes, run_time_s, tree_cpu_s
from bench.running import started
from bench.tools import ours

if TYPE_CHECKING:
    from bench.hosts import Hosts

_TIMEOUT_S = 600.0
_PERCENT = 100


def measure_idle(hosts: Hosts, settle_s: float, window_s: float) -> IdleFigures:
    """Launch ranks that say one line and sleep; watch launcher and supervisors for `window_s` after `settle_s`.

    Raises:
        BenchError: There is not one supervisor per host.
    """
    with started(ours(hosts, "bench_wait")) as running:
        running.wait_for_ranks(hosts.count, _TIMEOUT_S)
        time.sleep(settle_s)
        supervisors = hosts.supervisors()
        if len(supervisors) != hosts.count:
            message = f"{len(supervisors)} supervisors were found on {hosts.count} hosts"
            raise BenchError(message)
        start_s = time.monotonic()
        control_s, nodes_s = tree_cpu_s(running.meter_pid), _run_times_s(supervisors)
        time.sleep(window_s)
        elapsed_s = time.monotonic() - start_s
        control_s = tree_cpu_s(running.meter_pid) - control_s
        nodes_s = _run_times_s(supervisors) - nodes_s
        pss, rss = max(map(pss_bytes, supervisors)), max(map(rss_bytes, supervisors))
        running.interrupt()
        running.finish(_TIMEOUT_S)
    return IdleFigures(
        hosts.count,
        elapsed_s,
        _PERCENT * control_s / elapsed_s,
        pss,
        rss,
        _PERCENT * nodes_s / len(supervisors) / elapsed_s,
    )


def _run_times_s(pids: list[int]) -> float:
    return sum(run_time_s(pid) for pid in pids)
