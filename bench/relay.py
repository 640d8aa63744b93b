# SPDX-License-Identifier: GPL-3.0-or-later
"""Relay: how live the lines of the ranks are, whether all come, and what they cost the control node."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.figures import FloodFigures, RelayFigures, Tally, percentile, tally
from bench.proc import tree_cpu_s
from bench.running import FIRST, started
from bench.tools import ours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.hosts import Hosts
    from bench.plan import Load
    from bench.running import Piece, Running

PERCENTILES = (50.0, 95.0, 99.0, 100.0)
_TIMEOUT_S = 600.0
_LOOK_EVERY_S = 0.02
_PER_LINES = 100_000
_LINE = re.compile(rb"bench-line (\d+) (\d+)(?: (\d+\.\d+))?")


@dataclass(frozen=True)
class Flood:
    """What one run at full speed gave."""

    lines_per_s: float
    cpu_s: float
    logs: Tally


def measure_relay(hosts: Hosts, load: Load) -> RelayFigures:
    """Let all ranks print at a rate, and see when each line arrives on the launcher's standard output.

    Raises:
        BenchError: The launcher failed, or no line came.
    """
    log_dir = hosts.cluster.base / f"logs-{load.lines_per_s}"
    tag = f"bench_lines_{load.lines_per_s}_{load.seconds}"
    with started(ours(hosts, tag, "--log-dir", str(log_dir))) as running:
        # All ranks print, and the end of the first is not near: what the lines cost is seen only then.
        _wait_for_lines(running, load.hosts * load.lines_per_s)
        before, before_s = len(running.pieces), tree_cpu_s(running.meter_pid)
        time.sleep(load.seconds / 2)
        after, after_s = len(running.pieces), tree_cpu_s(running.meter_pid)
        used = running.finish(_TIMEOUT_S)
        if used.exit_code != 0:
            running.fail(f"the launcher ended with {used.exit_code}")
        pieces = running.pieces
    told = dict.fromkeys(range(load.hosts), load.lines_per_s * load.seconds)
    delays_s = [
        piece.arrived_s - float(told_s) for piece in pieces for _, _, told_s in _LINE.findall(piece.text) if told_s
    ]
    if not delays_s:
        message = "no line of a rank was seen"
        raise BenchError(message)
    return RelayFigures(
        load.hosts,
        load.lines_per_s,
        {f"{percent:g}": percentile(delays_s, percent) for percent in PERCENTILES},
        tally(told, _numbers([piece.text for piece in pieces])),
        tally(told, _numbers([path.read_bytes() for path in sorted(log_dir.glob("*/rank*.log"))])),
        (after_s - before_s) / max(1, _count(pieces[before:after])) * _PER_LINES,
    )


def measure_flood(hosts: Hosts, count: int, say: Callable[[str], None]) -> FloodFigures:
    """Let rank 0 of two print `count` lines as fast as it can, first with the screen off, then on."""
    off = _flood(hosts, count, "off", ["--show-ranks", "1"])
    say(f"one rank, {count} lines, screen off: {off.lines_per_s:.0f} lines/s")
    shown = _flood(hosts, count, "on", ["--show-ranks", "0"])
    say(f"one rank, {count} lines, screen on: {shown.lines_per_s:.0f} lines/s")
    return FloodFigures(off.lines_per_s, off.cpu_s / count * _PER_LINES, off.logs, shown.lines_per_s)


def _flood(hosts: Hosts, count: int, name: str, words: Sequence[str]) -> Flood:
    log_dir = hosts.cluster.base / f"logs-{name}"
    command = ours(hosts, f"bench_fast_{count}", "--log-dir", str(log_dir), *words)
    with started(command, screen=False) as running:
        _wait_for_growth(running, log_dir)
        before_s = after_s = tree_cpu_s(running.meter_pid)
        end_s, size = time.time(), 0
        while running.runs:
            now = sum(path.stat().st_size for path in log_dir.glob("*/rank0.log"))
            if now != size:
                size, end_s, after_s = now, time.time(), tree_cpu_s(running.meter_pid)
            time.sleep(_LOOK_EVERY_S)
        used = running.finish(_TIMEOUT_S)
        if used.exit_code != 0:
            running.fail(f"the launcher ended with {used.exit_code}")
    text = b"".join(path.read_bytes() for path in log_dir.glob("*/rank0.log"))
    began = FIRST.search(text)
    if began is None:
        running.fail("the log of rank 0 has no first line")
    return Flood(count / (end_s - float(began[2])), after_s - before_s, tally({0: count}, _numbers([text])))


def _wait_for_growth(running: Running, log_dir: Path) -> None:
    """Wait until the log of rank 0 has something in it."""
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not any(path.stat().st_size for path in log_dir.glob("*/rank0.log")):
        if not running.runs or time.monotonic() > deadline_s:
            running.fail("rank 0 has not printed anything")
        time.sleep(_LOOK_EVERY_S)


def _wait_for_lines(running: Running, count: int) -> None:
    """Wait until so many lines of ranks have arrived."""
    deadline_s = time.monotonic() + _TIMEOUT_S
    seen = found = 0
    while found < count:
        if not running.runs or time.monotonic() > deadline_s:
            running.fail(f"{found} lines arrived, and {count} were waited for")
        pieces = running.pieces[seen:]
        seen, found = seen + len(pieces), found + _count(pieces)
        time.sleep(_LOOK_EVERY_S)


def _count(pieces: Sequence[Piece]) -> int:
    return sum(piece.text.count(b"bench-line ") for piece in pieces)


def _numbers(texts: Sequence[bytes]) -> list[tuple[int, int]]:
    return [(int(rank), int(number)) for text in texts for rank, number, _ in _LINE.findall(text)]
