# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run probes side by side, each in a process of its own with a time limit.

A file system whose server is gone blocks in the kernel, where neither a signal nor a thread gets out. A forked child
can simply be left behind: the probe reports "does not answer" and all other probes are not disturbed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from typing import Any, Callable, NamedTuple

_CHUNK_BYTES = 65536


class Task(NamedTuple):
    """One probe: what to call (it returns JSON types) and how long it may take."""

    action: Callable[[], object]
    timeout_s: float


class Outcome(NamedTuple):
    """What a probe returned, or why it did not."""

    value: Any
    error: str | None


class _Running(NamedTuple):
    pid: int
    pipe: int
    deadline: float
    timeout_s: float


def run_all(tasks: dict[str, Task]) -> dict[str, Outcome]:
    """Run all tasks at the same time and return their outcomes; none of them raises."""
    running = {name: _start(task) for name, task in tasks.items()}
    received = dict.fromkeys(tasks, b"")
    outcomes: dict[str, Outcome] = {}
    while running:
        wait_s = max(0.0, min(task.deadline for task in running.values()) - time.monotonic())
        ready, _writable, _exceptional = select.select([task.pipe for task in running.values()], [], [], wait_s)
        for name, task in list(running.items()):
            chunk = os.read(task.pipe, _CHUNK_BYTES) if task.pipe in ready else None
            if chunk:
                received[name] += chunk
            elif chunk == b"":
                outcomes[name] = _ended(task, received[name])
            elif time.monotonic() >= task.deadline:
                outcomes[name] = _abandoned(task)
            if name in outcomes:
                del running[name]
    return outcomes


def run_one(action: Callable[[], object], timeout_s: float) -> Outcome:
    """Run one probe in a process of its own."""
    return run_all({"only": Task(action, timeout_s)})["only"]


def detach_stdio() -> None:
    """Connect standard input, output and error with /dev/null.

    The ssh connection of the caller stays open as long as any process holds its output.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:  # noqa: PLR2004 - above the three standard descriptors
        os.close(null)


def _start(task: Task) -> _Running:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(task.action, writer)
    os.close(writer)
    return _Running(pid, reader, time.monotonic() + task.timeout_s, task.timeout_s)


def _child(action: Callable[[], object], writer: int) -> None:
    """Call the probe, write its outcome and end; never returns into the caller's code."""
    status = 1
    try:
        os.setsid()
        detach_stdio()
        answer = json.dumps(_called(action)).encode()
        while answer:
            answer = answer[os.write(writer, answer) :]
        status = 0
    finally:
        os._exit(status)


def _called(action: Callable[[], object]) -> dict[str, object]:
    try:
        return {"value": action()}
    except Exception as error:  # noqa: BLE001 - the outermost door of this process; one probe must not hide the others
        return {"error": f"{type(error).__name__}: {error}"}


def _ended(task: _Running, received: bytes) -> Outcome:
    os.close(task.pipe)
    os.waitpid(task.pid, 0)
    if not received:
        return Outcome(None, "the probe ended without an answer")
    answer = json.loads(received.decode())
    return Outcome(answer.get("value"), answer.get("error"))


def _abandoned(task: _Running) -> Outcome:
    os.close(task.pipe)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(task.pid, signal.SIGKILL)
    # Not waited for: it may be stuck in the kernel. It belongs to init as soon as this process ends.
    os.waitpid(task.pid, os.WNOHANG)
    return Outcome(None, f"does not answer within {task.timeout_s:g} s")
