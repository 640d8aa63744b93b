# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `stop`: end a run on this host, look again, and say what is left. It can be called at any time and again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from . import containers, files, host, lease, processes, record
from .ladder import KILL_WAIT_S, Ladder, full, leftovers
from .paths import RankDir, RunDir

_MARGIN_S = 15.0
_DUMP_S = 10.0
_LOOK_EVERY_S = 0.05
_SUPERVISOR_EXIT_S = 2.0


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Stop the ranks of a run on this host; see the protocol of the node program for arguments and answer.

    Returns when nothing of the run is left, or when what is left could not be ended (it is then named).
    """
    run = RunDir(args["state_dir"], args["run_id"])
    request = {"reason": str(args["reason"]), "grace_s": float(args["grace_s"]), "dump": bool(args.get("dump"))}
    return Stop(run, args["node_rank"], args.get("attempt"), request).run()


class Stop:
    """One call of stop: ask the supervisors, wait for them, look again, end what is left."""

    def __init__(self, run: RunDir, node_rank: int | None, attempt: int | None, request: dict[str, Any]) -> None:
        """Find the ranks of the run here, of all attempts, and forbid later starts of it (`attempt`: only of this)."""
        self._run = run
        self._node_rank = node_rank
        self._request = request
        self._grace_s: float = request["grace_s"]
        self._ranks = record.ranks_here(run, node_rank)
        numbers = {number for number, rank_dir in run.ranks() if rank_dir.path in {one.path for one in self._ranks}}
        for number in {node_rank} if node_rank is not None else numbers:
            self._forbid_start(number, attempt)
        if node_rank is None and not numbers:
            # A launch that is still being checked: nobody here knows which rank it will have.
            self._leave_mark(run.all_stopped_mark)

    def run(self) -> dict[str, Any]:
        """Return the answer of the entry."""
        before = self._find()
        for rank_dir in self._ranks:
            self._ask(rank_dir)
        dump_s = _DUMP_S if self._request["dump"] else 0.0
        deadline_s = lease.now_s() + dump_s + 3 * self._grace_s + KILL_WAIT_S + _MARGIN_S
        for rank_dir in self._ranks:
            self._wait(rank_dir, deadline_s)
        left = self._end_leftovers()
        removed, there = self._sweep()
        statuses = [status for status in (self._settle(rank_dir) for rank_dir in self._ranks) if status]
        return {
            "schema": record.SCHEMA,
            "found": bool(self._ranks or before or removed or there),
            "status": statuses[0] if statuses else None,
            "processes_stopped": len(set(before) - set(left)),
            "processes_left": [{"pid": one.pid, "command": processes.command(one.pid)} for one in left],
            "containers_removed": removed,
            "containers_left": there,
            "clean": not left and not there,
        }

    def _forbid_start(self, node_rank: int, attempt: int | None) -> None:
        """Leave a mark for a start that is still on its way to this host."""
        there = [rank_dir for number, rank_dir in self._run.ranks() if number == node_rank]
        started = {rank_dir.attempt for rank_dir in there if os.path.exists(rank_dir.spec)}
        if attempt in started or (started and not self._ranks):
            # It needs no mark any more, or the rank is of another host with the same home.
            return
        self._leave_mark(self._run.stopped_mark(node_rank, attempt))

    def _leave_mark(self, path: str) -> None:
        """Leave a mark that a start looks for after it has written its spec; then look whether it just came through."""
        with contextlib.suppress(OSError):
            os.makedirs(self._run.path, mode=0o700, exist_ok=True)
            files.create_once(path, {**self._request, "at_s": time.time()})
        self._ranks = record.ranks_here(self._run, self._node_rank)

    def _find(self) -> list[processes.Process]:
        """Return the processes of the run, without the supervisors: those end by themselves, after the others."""
        supervisors: list[processes.Process] = []
        jobs: list[processes.Process] = []
        for rank_dir in self._ranks:
            status = files.read_json(rank_dir.status) or {}
            if status.get("boot_id") == host.boot_id():
                supervisors += processes.from_json(status["supervisor"])
                jobs += processes.from_json(status["child"])
        found = processes.of_run(self._run.run_id, self._node_rank, supervisors + jobs)
        return [process for process in found if process not in supervisors]

    def _ask(self, rank_dir: RankDir) -> None:
        """Leave the request and wake the supervisor; on a disk that takes no request SIGTERM is one."""
        status = files.read_json(rank_dir.status)
        if status is None or status["state"] == "ended":
            return
        request = {**self._request, "at_s": time.time()}
        signum = signal.SIGUSR1
        try:
            files.create_once(rank_dir.stop_request, request)
        except OSError:
            signum = signal.SIGTERM
        if status["boot_id"] == host.boot_id() and (status["state"] != "starting" or status.get("gate")):
            processes.send(processes.from_json(status["supervisor"])[0], signum)
        record.wake(status)

    def _wait(self, rank_dir: RankDir, deadline_s: float) -> None:
        """Wait until the supervisor has recorded the end; one that does not until the deadline is killed."""
        while lease.now_s() < deadline_s:
            status = record.observe(rank_dir)
            if status is None or status["state"] == "ended":
                break
            time.sleep(_LOOK_EVERY_S)
        self._end_supervisor(rank_dir)

    def _end_supervisor(self, rank_dir: RankDir) -> None:
        status = files.read_json(rank_dir.status)
        if status is None or status["boot_id"] != host.boot_id():
            return
        deadline_s = lease.now_s() + _SUPERVISOR_EXIT_S
        while processes.is_running(status["supervisor"]) and lease.now_s() < deadline_s:
            time.sleep(_LOOK_EVERY_S)
        processes.send(processes.from_json(status["supervisor"])[0], signal.SIGKILL)

    def _end_leftovers(self) -> list[processes.Process]:
        """End what no supervisor ended; madengine itself may be among it if the supervisor was killed."""
        lost = any((record.observe(rank_dir) or {}).get("ended_by") == "supervisor_lost" for rank_dir in self._ranks)
        steps = full(self._grace_s) if lost or not self._ranks else leftovers(self._grace_s)
        ladder = Ladder(steps, self._find)
        while True:
            wait_s = ladder.advance()
            if wait_s is None:
                return ladder.left
            time.sleep(wait_s)

    def _sweep(self) -> tuple[list[str], list[str]]:
        removed: list[str] = []
        left: list[str] = []
        for rank_dir in self._ranks:
            gone, there = containers.sweep(rank_dir)
            removed += gone
            left += there
        return removed, left

    def _settle(self, rank_dir: RankDir) -> dict[str, Any] | None:
        """Return the last word on a rank; one that no supervisor could write is written now."""
        status = record.observe(rank_dir)
        if status is not None and status["ended_by"] == "supervisor_lost":
            with contextlib.suppress(OSError):
                files.write_json(rank_dir.status, status)
        return status
