# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the control node can serve so many hosts at once: a limit that is hit half way looks like hosts being down.

Private to the collection. Pure. The needs were measured with 8, 32 and 64 hosts (docs/performance.md).
"""

from __future__ import annotations

from typing import NamedTuple

from ._plan import PlanError

# Pipes and queues of ansible-playbook, in one process.
_FILES, _FILES_PER_HOST = 60, 5
# A worker, its ssh, and the shared connection; through a jump host one more.
_PROCESSES, _PROCESSES_PER_HOST = 40, 4
_MEMORY_BYTES, _MEMORY_PER_HOST_BYTES = 150_000_000, 17_000_000
_PORTS_PER_HOST = 2


class Machine(NamedTuple):
    """What the control node allows this login; None where there is no limit, or none that can be told.

    `open_files` is per process, the others are what is left: `processes` to start, `memory_bytes` to take, `ports` to
    connect from.
    """

    open_files: int | None = None
    processes: int | None = None
    memory_bytes: int | None = None
    ports: int | None = None


def check(at_once: int, machine: Machine) -> None:
    """Raise `PlanError` when the machine has too little of something for `at_once` hosts."""
    for allowed, need, what, fix in _needs(at_once, machine):
        if allowed is not None and allowed < need:
            message = f"{at_once} hosts at once need about {need} {what}; this machine has {allowed} for this login."
            hint = f"{fix} Or launch from a larger machine, or on fewer hosts."
            raise PlanError("forks", message, hint)


def _needs(at_once: int, machine: Machine) -> list[tuple[int | None, int, str, str]]:
    files = _FILES + _FILES_PER_HOST * at_once
    processes = _PROCESSES + _PROCESSES_PER_HOST * at_once
    memory_mb = (_MEMORY_BYTES + _MEMORY_PER_HOST_BYTES * at_once) // 1_000_000
    has_mb = None if machine.memory_bytes is None else machine.memory_bytes // 1_000_000
    ulimit_files = f"Raise it: ulimit -n {files}, nofile in /etc/security/limits.conf, LimitNOFILE of a service."
    ulimit_processes = "Raise it: ulimit -u, nproc in /etc/security/limits.conf, TasksMax of a service, pids.max."
    ports = _PORTS_PER_HOST * at_once
    widen = 'Widen the range: sysctl net.ipv4.ip_local_port_range="10240 65535".'
    return [
        (machine.open_files, files, "open files in one process", ulimit_files),
        (machine.processes, processes, "more processes", ulimit_processes),
        (has_mb, memory_mb, "MB of memory", "Free some, or give the container more."),
        (machine.ports, ports, "local ports to connect from", widen),
    ]
