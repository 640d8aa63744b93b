# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc says: which processes there are, in which namespace, with which variables."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_ID = "MADLAUNCH_RUN_ID"
NODE_RANK = "MADLAUNCH_NODE_RANK"
_PROC = Path("/proc")
_START_TICKS_FIELD = 19  # of the fields after the command name, proc(5): starttime is field 22, the first here is 3


@dataclass(frozen=True)
class Process:
    """A process that carries a run id.

    Attributes:
        pid: Its number on this machine (for ``os.kill``).
        node_pid: Its number on the node.
        run_id: Value of MADLAUNCH_RUN_ID.
        node_rank: Value of MADLAUNCH_NODE_RANK, empty if it has none.
        argv: Its arguments.
    """

    pid: int
    node_pid: int
    run_id: str
    node_rank: str
    argv: tuple[str, ...]


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none (a zombie counts as none).

    Number and start together name one process for good: numbers are used again.
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[_START_TICKS_FIELD])


def children(pid: int) -> list[int]:
    """The direct children of a process, whichever of its threads started them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """All processes below a process, children before theirs."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def namespace(pid: int, kind: str) -> str:
    """Name of the namespace of a process, such as ``net:[4026531840]``; empty when the process is gone."""
    try:
        return str((_PROC / str(pid) / "ns" / kind).readlink())
    except OSError:
        return ""


def members(kind: str, name: str) -> list[int]:
    """All processes in a namespace."""
    return [pid for pid in all_pids() if namespace(pid, kind) == name]


def environment(pid: int) -> dict[str, str]:
    """The variables with which a process was started; empty when it is gone, a zombie or not ours to read."""
    pairs = (item.partition("=") for item in _strings(pid, "environ"))
    return {name: value for name, _, value in pairs}


def run_processes(pids: list[int] | None = None, run_id: str | None = None) -> list[Process]:
    """The processes that carry a run id.

    Args:
        pids: Where to look; None for the whole machine.
        run_id: The run; None for any.
    """
    found = []
    for pid in all_pids() if pids is None else pids:
        variables = environment(pid)
        if RUN_ID in variables and run_id in {None, variables[RUN_ID]}:
            argv = tuple(_strings(pid, "cmdline"))
            found.append(Process(pid, _innermost_pid(pid), variables[RUN_ID], variables.get(NODE_RANK, ""), argv))
    return found


def end(pid: int, ticks: int | None, timeout_s: float = 5.0) -> None:
    """End one process: SIGTERM, and SIGKILL when it is still there after ``timeout_s``; none if it is another one."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if ticks is None or start_ticks(pid) != ticks:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_gone(pid, ticks, timeout_s)


def wait_gone(pid: int, ticks: int, timeout_s: float) -> bool:
    """Wait until a process is gone; False when it is still there after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while start_ticks(pid) == ticks:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def all_pids() -> Iterator[int]:
    """Every process of this machine."""
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _strings(pid: int, name: str) -> list[str]:
    try:
        raw = (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return []
    return [part.decode(errors="surrogateescape") for part in raw.split(b"\0") if part]


def _innermost_pid(pid: int) -> int:
    """The number of a process in its own PID namespace: the last of NSpid in proc(5)'s status."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return pid
