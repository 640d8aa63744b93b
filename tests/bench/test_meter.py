# SPDX-License-Identifier: GPL-3.0-or-later
"""What the meter counts, and that nothing outlives it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.meter import Measured
from tests.cluster.options import REPOSITORY
from tests.cluster.processes import start_ticks

if TYPE_CHECKING:
    from pathlib import Path

_BURN = "import time; [None for _ in iter(lambda: time.process_time() < 0.3, False)]"
_METER = [sys.executable, "-m", "bench.meter"]


def _measured(report: Path) -> Measured:
    return Measured(**json.loads(report.read_text()))


def test_meter_when_the_command_leaves_a_daemon_then_it_is_counted_and_ended(tmp_path: Path) -> None:
    """A process in a session of its own, whose parent has gone, still belongs to what was measured."""
    report, pid_file = tmp_path / "report", tmp_path / "pid"
    daemon = f"{sys.executable} -c '{_BURN}'; touch {tmp_path}/burnt; exec sleep 60"
    wait = f'until [ -e "{tmp_path}/burnt" ]; do sleep 0.02; done'
    script = f'setsid sh -c "echo \\$\\$ >{pid_file}; {daemon}" & {wait}; exit 3'
    subprocess.run([*_METER, str(report), "--", "sh", "-c", script], cwd=REPOSITORY, check=True, timeout=30)
    measured = _measured(report)
    assert (measured.exit_code, measured.left, measured.peak_processes) == (3, 1, 0)
    assert measured.cpu_s > 0.3
    assert start_ticks(int(pid_file.read_text())) is None


def test_meter_when_interrupted_then_hands_it_on_and_reports_the_memory(tmp_path: Path) -> None:
    """Ctrl-C is for the command, also where the meter itself was started with SIGINT ignored, as in the background."""
    report = tmp_path / "report"
    ready = "import signal, sys, time; data = 'x' * 50_000_000; print(flush=True); time.sleep(60)"
    argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *_METER, str(report), "--memory", "--"]
    with subprocess.Popen(
        [*argv, sys.executable, "-c", ready], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as meter:
        assert meter.stdout is not None
        meter.stdout.readline()
        # Two looks at the memory, twice a second.
        with_margin_s = 1.2
        try:
            meter.wait(with_margin_s)
        except subprocess.TimeoutExpired:
            meter.send_signal(signal.SIGINT)
        assert meter.wait(20) == 0
    measured = _measured(report)
    assert (measured.exit_code, measured.left, measured.peak_processes) == (-signal.SIGINT, 0, 1)
    assert measured.peak_pss_bytes > 50_000_000
    assert measured.ended_at_s > measured.started_at_s
