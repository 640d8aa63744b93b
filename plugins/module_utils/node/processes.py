# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as /proc shows them: who they are, whose they are, and signals that cannot hit the wrong one.

A process is known by its number and the moment it began (clock ticks since boot): numbers are used again, the pair is
not. Formats: proc(5), https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # the supervisor runs for as long as the job: typing would cost it half a megabyte
if TYPE_CHECKING:
    from typing import Iterable

RUN_ID_VARIABLE = "MADLAUNCH_RUN_ID"
RANK_VARIABLE = "MADLAUNCH_NODE_RANK"
ATTEMPT_VARIABLE = "MADLAUNCH_ATTEMPT"

_DEAD_STATES = "ZXx"
_COMMAND_CHARS = 200
# Positions in /proc/<pid>/stat after the command name, which ends at the last ')'.
_STATE, _PARENT, _START_TICKS = 0, 1, 19


class Process:
    """One process at the moment of the look; equal to another if it is the same process."""

    __slots__ = ("parent", "pid", "start_ticks", "state")

    def __init__(self, pid: int, start_ticks: int, parent: int = 0, state: str = "?") -> None:
        self.pid = pid
        self.start_ticks = start_ticks
        self.parent = parent
        self.state = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Process) and (self.pid, self.start_ticks) == (other.pid, other.start_ticks)

    def __hash__(self) -> int:
        return hash((self.pid, self.start_ticks))

    def __repr__(self) -> str:
        return f"Process({self.pid}, {self.start_ticks}, parent={self.parent}, state={self.state!r})"

    @property
    def running(self) -> bool:
        """Whether it is more than an entry that waits for its parent to read the exit code."""
        return self.state not in _DEAD_STATES

    def to_json(self) -> dict[str, int]:
        """Return what status.json keeps of a process."""
        return {"pid": self.pid, "start_ticks": self.start_ticks}


def from_json(identity: dict[str, int] | None) -> list[Process]:
    """Return the process that status.json names, as a list that is empty if it names none."""
    return [Process(identity["pid"], identity["start_ticks"])] if identity else []


def look(pid: int) -> Process | None:
    """Return the process that has the number `pid` now."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            text = stream.read().decode("ascii", "replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return Process(pid, int(fields[_START_TICKS]), int(fields[_PARENT]), fields[_STATE])


def myself() -> Process:
    """Return this process."""
    return look(os.getpid()) or Process(os.getpid(), 0)


def is_running(identity: dict[str, int] | None) -> bool:
    """Say whether the process that status.json names is still there (a zombie is not)."""
    if not identity:
        return False
    process = look(identity["pid"])
    return process is not None and process.start_ticks == identity["start_ticks"] and process.running


def of_run(run_id: str, node_rank: int | None = None, roots: Iterable[Process] = ()) -> list[Process]:
    """Return the running processes of a run on this host, without the calling one.

    They are: all of this login that carry the run id and the rank (None: any rank) in their environment, `roots` (known
    from the record: the supervisor, to which orphans return, and the job), and what descends from those. Never by name.
    """
    everyone = _everyone()
    marks = _marks(run_id, node_rank)
    members = {pid for pid in everyone if _carries(pid, marks)}
    members |= {root.pid for root in roots if everyone.get(root.pid) == root}
    _add_descendants(members, everyone)
    members.discard(os.getpid())
    return [everyone[pid] for pid in sorted(members) if pid in everyone and everyone[pid].running]


def send(process: Process, signum: int) -> bool:
    """Send a signal to this very process; False if it is gone or belongs to somebody else."""
    try:
        if hasattr(os, "pidfd_open"):
            return _send_by_handle(process, signum)
        if look(process.pid) != process:
            return False
        os.kill(process.pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def command(pid: int) -> str:
    """Return the command line of a process for people to read, at most 200 characters; '' if it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            data = stream.read(4 * _COMMAND_CHARS)
        if not data:
            with open(f"/proc/{pid}/comm", "rb") as stream:
                data = b"[" + stream.read().strip() + b"]"
    except OSError:
        return ""
    return data.replace(b"\0", b" ").decode("utf-8", "replace").strip()[:_COMMAND_CHARS]


def _send_by_handle(process: Process, signum: int) -> bool:
    # The handle is opened first and the identity compared after it: from then on the number cannot be used again.
    handle = os.pidfd_open(process.pid)
    try:
        if look(process.pid) != process:
            return False
        signal.pidfd_send_signal(handle, signum)
    finally:
        os.close(handle)
    return True


def _everyone() -> dict[int, Process]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = look(int(name))
            if process is not None:
                found[process.pid] = process
    return found


def _marks(run_id: str, node_rank: int | None) -> set[bytes]:
    marks = {f"{RUN_ID_VARIABLE}={run_id}".encode()}
    if node_rank is not None:
        marks.add(f"{RANK_VARIABLE}={node_rank}".encode())
    return marks


def _carries(pid: int, marks: set[bytes]) -> bool:
    path = f"/proc/{pid}/environ"
    try:
        if os.stat(path).st_uid != os.getuid():
            return False
        with open(path, "rb") as stream:
            return marks.issubset(stream.read().split(b"\0"))
    except OSError:
        # Gone in this moment, or a program that hides its memory: then only its parents tell whose it is.
        return False


def _add_descendants(members: set[int], everyone: dict[int, Process]) -> None:
    children: dict[int, list[int]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process.pid)
    waiting = list(members)
    while waiting:
        for pid in children.get(waiting.pop(), []):
            if pid not in members:
                members.add(pid)
                waiting.append(pid)
