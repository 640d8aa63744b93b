# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop: from Ctrl-C to the launcher's word that all hosts are clean, beside two commands on warm connections."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.figures import StopFigures
from bench.running import started
from bench.tools import clush_command, ours
from madlaunch.settings_table import GRACE_S
from madlaunch.sockets import control_sockets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.hosts import Hosts

_TIMEOUT_S = 600.0
# After the last rank has begun, before the signal: the launch itself shall be over.
_SETTLE_S = 2.0
_COMMANDS = 2


def measure_stops(hosts: Hosts, repetitions: int, say: Callable[[str], None]) -> StopFigures:
    """Stop a run on all hosts and let clush run two commands, `repetitions` times in turn."""
    seconds, warm_s = [], []
    with control_sockets(os.environ) as folder:
        for repetition in range(repetitions):
            seconds.append(stop_once(hosts))
            warm_s.append(_two_warm_commands(hosts, folder))
            told = f"stop {seconds[-1]:.2f} s, two warm commands {warm_s[-1]:.2f} s"
            say(f"{hosts.count} hosts, {repetition + 1} of {repetitions}: {told}")
    return StopFigures(hosts.count, tuple(seconds), tuple(warm_s), float(GRACE_S.default))


def stop_once(hosts: Hosts) -> float:
    """Launch ranks that stay and press Ctrl-C; return the seconds until the launcher has ended.

    Raises:
        BenchError: It did not see all hosts clean, or something is left on them all the same.
    """
    with started(ours(hosts, "bench_wait")) as running:
        running.wait_for_ranks(hosts.count, _TIMEOUT_S)
        time.sleep(_SETTLE_S)
        pressed_s = running.interrupt()
        used = running.finish(_TIMEOUT_S)
        if f"clean on {hosts.count}/{hosts.count} hosts" not in running.text:
            running.fail("the launcher did not say that all hosts are clean")
    left = hosts.cluster.run_processes()
    if left:
        message = f"the launcher said that all hosts are clean, but processes are left: {left}"
        raise BenchError(message)
    return used.ended_at_s - pressed_s


def _two_warm_commands(hosts: Hosts, folder: Path) -> float:
    """Return what two commands on all hosts take when a connection to each stands already.

    Raises:
        BenchError: clush failed.
    """
    shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", "ControlPersist=120s"]
    command = clush_command(hosts, ["true"], *shared)

    def run() -> None:
        # A master in the background keeps what it was given as standard output; a pipe would never end.
        done = subprocess.run(
            command.argv,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_TIMEOUT_S,
        )
        if done.returncode != 0:
            message = f"clush ended with {done.returncode} on {hosts.count} hosts"
            raise BenchError(message)

    run()
    start_s = time.monotonic()
    for _ in range(_COMMANDS):
        run()
    return time.monotonic() - start_s
