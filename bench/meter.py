# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one command and measure what it and all its descendants used: `python -m bench.meter REPORT [--memory] -- ...`.

It is their subreaper, see prctl(2): what a tool leaves in the background, such as the masters of shared ssh
connections, stays below it and is counted. The SSH servers of the hosts were started by somebody else and are not.
When the command has ended, what is left of it is ended too. SIGINT and SIGTERM are handed on to the command.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.proc import Memory, tree_memory
from tests.cluster.processes import descendants, end, start_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_EVERY_S = 0.5


@dataclass(frozen=True)
class Measured:
    """What one command used.

    Attributes:
        started_at_s: When it was started, in seconds since the epoch.
        ended_at_s: When it had ended.
        cpu_s: User and system seconds of it and of all its descendants.
        exit_code: Its exit code; negative for a signal.
        left: How many descendants it left behind.
        peak_pss_bytes: Most memory of all processes at one moment; 0 when it was not looked at.
        peak_processes: Most processes at one moment; 0 when they were not looked at.
    """

    started_at_s: float
    ended_at_s: float
    cpu_s: float
    exit_code: int
    left: int
    peak_pss_bytes: int
    peak_processes: int


def measure(command: Sequence[str], *, memory: bool) -> Measured:
    """Run a command to its end. Looking at memory costs CPU time, so times of such a run say little."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
    started: list[subprocess.Popen[bytes]] = []
    _hand_on_signals(started)
    started_at_s = time.time()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    started.append(process)
    sampler = _Sampler()
    if memory:
        sampler.start()
    exit_code = process.wait()
    ended_at_s = time.time()
    peak = sampler.stop()
    left = _end_rest()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measured(
        started_at_s,
        ended_at_s,
        used.ru_utime + used.ru_stime,
        exit_code,
        left,
        peak.pss_bytes,
        peak.processes,
    )


class _Sampler(threading.Thread):
    """Looks at the memory of all descendants until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()
        self._peak = Memory(0, 0)

    def run(self) -> None:
        while not self._stopped.wait(_SAMPLE_EVERY_S):
            now = tree_memory(os.getpid())
            most = max(self._peak.processes, now.processes)
            self._peak = Memory(max(self._peak.pss_bytes, now.pss_bytes), most)

    def stop(self) -> Memory:
        """Return the most that was seen."""
        self._stopped.set()
        if self.is_alive():
            self.join()
        return self._peak


def _hand_on_signals(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Hand signals on to what was started.

    Set before the start: what a shell put into the background ignores SIGINT, and so would the command.
    """

    def hand_on(number: int, _frame: FrameType | None) -> None:
        for process in started:
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hand_on)


def _end_rest() -> int:
    """End what is left below this process, wait for all of it, and return how many processes that were."""
    ended = 0
    while True:
        for pid in descendants(os.getpid()):
            ticks = start_ticks(pid)
            if ticks is not None:
                ended += 1
                end(pid, ticks)
        try:
            os.wait()
        except ChildProcessError:
            return ended


def main(arguments: Sequence[str]) -> int:
    """Measure the command of the command line and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.meter", description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--memory", action="store_true", help="also look at the memory, twice a second")
    parser.add_argument("command", nargs="+")
    chosen = parser.parse_args(arguments)
    measured = measure(chosen.command, memory=chosen.memory)
    chosen.report.write_text(json.dumps(asdict(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
