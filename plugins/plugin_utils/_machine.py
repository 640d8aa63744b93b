# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control node allows this login, read from the system.

Private to the collection. What cannot be read is no limit: it would only keep people from what may work.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from ansible_collections.madlaunch.multinode.plugins.module_utils._limits import Machine

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")


def machine(proc: Path = _PROC, cgroup: Path = _CGROUP) -> Machine:
    """Return the limits that are in force for this process and those that it starts."""
    return Machine(
        open_files=_finite(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        processes=_least(_processes_left(proc), _left_in(cgroup, "pids")),
        memory_bytes=_least(_memory_bytes(proc), _left_in(cgroup, "memory")),
        ports=_ports(proc),
    )


def _finite(limit: int) -> int | None:
    return None if limit in (resource.RLIM_INFINITY, -1) else limit


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _processes_left(proc: Path) -> int | None:
    """Return how many processes and threads the login may still start; root has no such limit (setrlimit(2))."""
    limit = _finite(resource.getrlimit(resource.RLIMIT_NPROC)[0])
    if limit is None or os.getuid() == 0:
        return None
    own = 0
    for path in proc.glob("[0-9]*"):
        with suppress(OSError):
            if path.stat().st_uid == os.getuid():
                own += len(list((path / "task").iterdir()))
    return max(0, limit - own)


def _memory_bytes(proc: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in (proc / "meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _left_in(cgroup: Path, controller: str) -> int | None:
    """Return what is left in the control group of a container (cgroup v2), which sees its own group as the root."""
    with suppress(OSError, ValueError):
        limit = (cgroup / f"{controller}.max").read_text(encoding="ascii").strip()
        current = (cgroup / f"{controller}.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else max(0, int(limit) - int(current))
    return None


def _ports(proc: Path) -> int | None:
    with suppress(OSError, ValueError):
        first, last = (proc / "sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
        return int(last) - int(first) + 1
    return None
