# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a rank on this host: its record, held against what /proc says."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from . import files, host, processes

if TYPE_CHECKING:
    from .paths import RankDir, RunDir

SCHEMA = 1
_LOOK_EVERY_S = 0.02


def first_status(spec: dict[str, Any], supervisor: processes.Process) -> dict[str, Any]:
    """Return the status of a rank that is being started by the process `supervisor`."""
    taken = ("run_id", "node_rank", "attempt", "nnodes", "host", "hostname", "model", "owner", "boot_id")
    return {
        "schema": SCHEMA,
        **{name: spec[name] for name in taken},
        "state": "starting",
        "supervisor": supervisor.to_json(),
        "child": None,
        "started_at_s": spec["created_at_s"],
        "ended_at_s": None,
        "exit_code": None,
        "signal": None,
        "ended_by": None,
        "stop_reason": None,
        "timeout_s": spec["timeout_s"],
        "lease_s": spec["lease_s"],
        "grace_s": spec["grace_s"],
        "left": None,
    }


def is_here(spec: dict[str, Any] | None) -> bool:
    """Say whether the rank of this spec belongs to this host; with a home on a file server others lie beside it.

    The boot id does not decide: a rank that was cut off by a reboot still belongs here.
    """
    if spec is None:
        return False
    return (spec.get("hostname"), spec.get("machine_id")) == (host.hostname(), host.machine_id())


def ranks_here(run: RunDir, node_rank: int | None, attempt: int | None = None) -> list[RankDir]:
    """Return the directories of the ranks of `run` on this host, the newest attempt first, then by rank.

    Args:
        run: the run.
        node_rank: the rank that is asked for; None: all of them.
        attempt: the attempt that is asked for; None: all of them.

    """
    return [
        rank_dir
        for number, rank_dir in run.ranks()
        if node_rank in {None, number}
        and attempt in {None, rank_dir.attempt}
        and is_here(files.read_json(rank_dir.spec))
    ]


def observe(rank_dir: RankDir) -> dict[str, Any] | None:
    """Return the status of a rank as it is, None if there is no record.

    A record that says "running" is not believed when its supervisor is gone (killed, or the host was started anew):
    the rank is then "ended" by "supervisor_lost", with the number of its processes that are left.
    """
    status = files.read_json(rank_dir.status)
    if status is None or status["state"] == "ended" or _is_watched(status):
        return status
    # The supervisor may have written its last word and gone between the two looks.
    status = files.read_json(rank_dir.status)
    if status is None or status["state"] == "ended" or _is_watched(status):
        return status
    return _lost(rank_dir, status)


def wake(status: dict[str, Any]) -> None:
    """Have a supervisor that waits look at once what is new, and let one go on that was stopped (SIGSTOP, Ctrl-Z).

    A stopped supervisor watches neither the time limit nor the lease, and reads no exit code.
    """
    if status["state"] == "ended" or not _is_watched(status):
        return
    supervisor = processes.from_json(status["supervisor"])[0]
    at_gate = status["state"] == "starting" and status.get("gate") == "closed"
    if at_gate:
        processes.send(supervisor, signal.SIGUSR1)
    found = processes.look(supervisor.pid)
    # While it is starting it is still the process of `start` unless it is at its gate: not ours to wake.
    if found == supervisor and found.state == "T" and (at_gate or status["state"] != "starting"):
        processes.send(supervisor, signal.SIGCONT)


def is_unwatched(status: dict[str, Any], wait_s: float) -> bool:
    """Say whether the supervisor is gone; one that has recorded the end gets `wait_s` to do so."""
    deadline_s = time.monotonic() + (wait_s if status["state"] == "ended" else 0.0)
    while _is_watched(status):
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _is_watched(status: dict[str, Any]) -> bool:
    return status["boot_id"] == host.boot_id() and processes.is_running(status["supervisor"])


def _lost(rank_dir: RankDir, status: dict[str, Any]) -> dict[str, Any]:
    # Numbers of processes mean nothing after another boot.
    known = processes.from_json(status["child"]) if status["boot_id"] == host.boot_id() else []
    left = processes.of_run(status["run_id"], status["node_rank"], known)
    return {
        **status,
        "state": "ended",
        "ended_by": "supervisor_lost",
        "ended_at_s": status["ended_at_s"] or _last_sign_s(rank_dir),
        "left": len(left),
    }


def _last_sign_s(rank_dir: RankDir) -> float:
    """Return when the rank was last known to live: the last change of its record, its lease or its log."""
    paths = (rank_dir.status, rank_dir.lease, rank_dir.log)
    return max((os.stat(path).st_mtime for path in paths if os.path.exists(path)), default=0.0)
