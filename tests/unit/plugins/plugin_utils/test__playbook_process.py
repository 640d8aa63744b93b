# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker knows the process that started it, even when it asks too late."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._playbook_process import (
    is_playbook_gone,
    playbook_pid,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

FORK = multiprocessing.get_context("fork")


def worker(told: Connection) -> None:
    """Wait until the process that started this one is gone, and only then ask who it was."""
    first, deadline_s = os.getppid(), time.monotonic() + 10
    told.send(os.getpid())
    while os.getppid() == first and time.monotonic() < deadline_s:
        time.sleep(0.01)
    pid = playbook_pid()
    told.send((pid, is_playbook_gone(pid)))


def playbook(told: Connection) -> None:
    """Start a worker and stay."""
    process = FORK.Process(target=worker, args=(told,))
    process.start()
    process.join()


@pytest.fixture(name="ends")
def fixture_ends() -> tuple[Connection, Connection]:
    """Make the two ends of a pipe."""
    return FORK.Pipe()


def test_worker_when_its_playbook_was_killed_before_it_asks_then_it_is_gone(
    ends: tuple[Connection, Connection],
) -> None:
    """The one that adopted the worker is not taken for ansible-playbook."""
    mine, theirs = ends
    process = FORK.Process(target=playbook, args=(theirs,))
    process.start()
    assert mine.poll(10)
    mine.recv()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert mine.poll(15)
    assert mine.recv() == (process.pid, True)


def test_worker_when_its_playbook_lives_then_it_is_there() -> None:
    """Outside of a worker it is the parent."""
    assert playbook_pid() == os.getppid()
    assert not is_playbook_gone(playbook_pid())
