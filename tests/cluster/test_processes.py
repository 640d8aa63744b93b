# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc says is read whole."""

from __future__ import annotations

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.cluster.processes import children, descendants


def test_children_when_another_thread_started_them_then_they_are_found() -> None:
    """The kernel lists children by thread; the launcher starts Ansible in a thread of its own."""
    done = threading.Event()

    def start() -> int:
        with subprocess.Popen(["sleep", "60"]) as process:
            started.append(process.pid)
            begun.set()
            done.wait(10)
            process.terminate()
        return process.pid

    started: list[int] = []
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(start)
        assert begun.wait(10)
        found = [children(os.getpid()), descendants(os.getpid())]
        done.set()
    assert [started[0] in each for each in found] == [True, True]
