# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes use, as /proc tells it (proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.processes import descendants, start_ticks

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_NS_PER_S = 1e9
_BYTES_PER_KIB = 1024
# Of the fields after the command name: utime, stime, cutime, cstime are fields 14 to 17, the first here is 3.
_OWN = slice(11, 13)
_OF_CHILDREN = slice(13, 15)


@dataclass(frozen=True)
class Memory:
    """What a tree of processes takes at one moment."""

    pss_bytes: int
    processes: int


def tree_cpu_s(root: int) -> float:
    """Return the CPU seconds of everything below `root` so far, also of what has ended and was waited for.

    The time of `root` itself is not in it. Each process is known to a hundredth of a second.
    """
    below = sum(_ticks(pid, _OWN) + _ticks(pid, _OF_CHILDREN) for pid in descendants(root))
    return (below + _ticks(root, _OF_CHILDREN)) / _TICKS_PER_S


def tree_memory(root: int) -> Memory:
    """Return what everything below `root` takes now, without `root` itself."""
    living = [pid for pid in descendants(root) if start_ticks(pid) is not None]
    return Memory(sum(pss_bytes(pid) for pid in living), len(living))


def pss_bytes(pid: int) -> int:
    """Return the memory of a process, a shared page divided by those that share it; 0 if it is gone."""
    return _kib(f"/proc/{pid}/smaps_rollup", "Pss:") * _BYTES_PER_KIB


def rss_bytes(pid: int) -> int:
    """Return the memory of a process, shared pages in full: what it would take alone; 0 if it is gone."""
    return _kib(f"/proc/{pid}/smaps_rollup", "Rss:") * _BYTES_PER_KIB


def run_time_s(pid: int) -> float:
    """Return the CPU seconds of the first thread of a process, exactly; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / _NS_PER_S
    except OSError:
        return 0.0


def _ticks(pid: int, fields: slice) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(field) for field in after_name[fields])


def _kib(path: str, name: str) -> int:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
