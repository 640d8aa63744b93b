# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the benchmark, one after the other, each at all its sizes."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.figures import Results
from bench.hosts import started_hosts
from bench.idle import measure_idle
from bench.launch import launch_once, measure_launches
from bench.relay import measure_flood, measure_relay
from bench.stop import measure_stops
from bench.tools import TOOLS, left_out
from tests.cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.hosts import Hosts
    from bench.plan import Load, Plan

_FLOOD_HOSTS = 2


class Suite:
    """Measures what a plan asks for; what fails is said and left out, and the rest goes on."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.results = Results(left_out=left_out())
        self.failed = False
        self._begun_s = time.monotonic()
        self._part = ""

    def run(self, part: str) -> None:
        """Measure one part."""
        self._part = part
        {"launch": self._launch, "relay": self._relay, "stop": self._stop, "idle": self._idle}[part]()

    def _on_hosts(self, count: int, what: str, measure: Callable[[Hosts], None]) -> None:
        """Start hosts for one measurement."""
        try:
            with started_hosts(count, self.plan.ssh_options) as hosts:
                measure(hosts)
        except (BenchError, ClusterError, subprocess.SubprocessError) as error:
            self.failed = True
            self._leave_out(what, f"{self._part}, {what}: {error}")

    def _leave_out(self, what: str, reason: str) -> None:
        self._say(f"left out: {reason}")
        self.results = replace(self.results, left_out={**self.results.left_out, what: reason})

    def _say(self, text: str) -> None:
        passed_s = time.monotonic() - self._begun_s
        print(f"{passed_s:6.0f} s  {self._part}: {text}", file=sys.stderr, flush=True)

    def _launch(self) -> None:
        self._on_hosts(2, "first launches", self._warm_up)

        def measure(hosts: Hosts) -> None:
            tools = [name for name in TOOLS if name not in self.results.left_out]
            figures = measure_launches(hosts, tools, self.plan.repetitions_of(hosts.count), self._say)
            self.results = replace(self.results, launch=(*self.results.launch, figures))

        for count in self.plan.launch:
            self._on_hosts(count, f"{count} hosts", measure)

    def _warm_up(self, hosts: Hosts) -> None:
        """Let each tool launch once, which reads its program from the disk; one that cannot is left out."""
        for tool in TOOLS:
            if tool not in self.results.left_out:
                try:
                    launch_once(hosts, tool)
                except BenchError as error:
                    self._leave_out(tool, f"{tool} does not work here: {error}")

    def _relay(self) -> None:
        for load in self.plan.loads:
            self._on_hosts(load.hosts, f"{load.hosts} x {load.lines_per_s} lines/s", partial(self._relay_under, load))
        if self.plan.flood_lines:
            self._on_hosts(_FLOOD_HOSTS, "full speed", self._flood)

    def _relay_under(self, load: Load, hosts: Hosts) -> None:
        figures = measure_relay(hosts, load)
        self._say(f"{load.hosts} x {load.lines_per_s} lines/s: p95 {figures.delays_s['95']:.2f} s")
        self.results = replace(self.results, relay=(*self.results.relay, figures))

    def _flood(self, hosts: Hosts) -> None:
        self.results = replace(self.results, flood=measure_flood(hosts, self.plan.flood_lines, self._say))

    def _stop(self) -> None:
        def measure(hosts: Hosts) -> None:
            figures = measure_stops(hosts, self.plan.repetitions_of(hosts.count), self._say)
            self.results = replace(self.results, stop=(*self.results.stop, figures))

        for count in self.plan.stop:
            self._on_hosts(count, f"{count} hosts", measure)

    def _idle(self) -> None:
        def measure(hosts: Hosts) -> None:
            figures = measure_idle(hosts, self.plan.settle_s, self.plan.window_s)
            self._say(f"{hosts.count} hosts: {figures.control_cpu_percent:.1f} % of one core")
            self.results = replace(self.results, idle=(*self.results.idle, figures))

        for count in self.plan.idle:
            self._on_hosts(count, f"{count} hosts", measure)
