# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small program that watches one job on its node: it starts it, sees it end, and ends it when it has to.

It lives on when the control node is gone. It ends the job at the time limit, when the lease has run out and when it is
asked to (the file `stop`, or SIGTERM), and it writes everything it knows to status.json.

Written by `start` into the run directory and run there as `python3 -E -s -S <rank dir>/supervisor`. It stays small on
purpose (no subprocess, no threads, no ctypes), and it sleeps in one sigtimedwait: signals are blocked, never handled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from . import files, lease, processes
from .ladder import Ladder, full, leftovers
from .paths import RankDir

TYPE_CHECKING = False  # the supervisor runs for as long as the job: typing would cost it half a megabyte
if TYPE_CHECKING:
    from typing import Any

WAKE = signal.SIGUSR1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_WATCHED = (signal.SIGCHLD, WAKE, signal.SIGHUP, *_STOP_SIGNALS)
# How often lease, limit and stop request are looked at when nothing happens: 0.5 wake-ups a second cost nothing.
_TICK_S = 2.0
_RETRY_WRITE_S = 1.0
# The search for containers limits itself; this is for the case that it does not.
_SWEEP_S = 60.0
# So does the writing of stack dumps; a job that hangs is not given longer.
_DUMP_S = 10.0


def main(rank_path: str) -> int:
    """Watch the job of the run directory `rank_path` until it has ended; return 0 when that was recorded."""
    # Blocked before anything else: the end of the job and a request to stop must wait until they are asked for.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    # What no code foresaw ends in the interpreter, which writes it to standard error: supervisor.log.
    return Supervisor(RankDir(rank_path)).run()


class Supervisor:
    """One job: its record, the reasons to end it, and the ladder when there is one."""

    def __init__(self, rank_dir: RankDir) -> None:
        self._dir = rank_dir
        self._spec: dict[str, Any] = files.read_json(rank_dir.spec) or {}
        self._status: dict[str, Any] = files.read_json(rank_dir.status) or {}
        self._unwritten = False
        self._began_s = lease.now_s()
        self._lease = (self._began_s, float(self._spec["lease_s"]))
        self._ladder: Ladder | None = None
        self._sender: str | None = None
        self._child_pid = 0
        self._helpers: set[int] = set()

    def run(self) -> int:
        """Start the job, watch it to its end, look for what it left, record the end."""
        self._obey_early_stop()
        if self._status["state"] != "ended" and self._spec.get("gate_wait_s"):
            self._wait_at_gate()
        if self._status["state"] != "ended":
            self._start()
            self._watch()
            self._sweep()
            self._record(state="ended", left=len(self._ladder.left) if self._ladder else 0)
        return self._write_until_done()

    # --- start -------------------------------------------------------------------------------------------------

    def _obey_early_stop(self) -> None:
        self._record(supervisor=processes.myself().to_json())
        request = self._stop_request()
        if request is not None:
            self._end_unstarted("stop", str(request.get("reason", "")))

    def _wait_at_gate(self) -> None:
        """Begin only when somebody follows, which is when every host of the run has been made ready.

        The lease and the time limit count from then on. When nobody has come, or said `hold`, for `gate_wait_s`, the
        control node is gone.
        """
        self._record(gate="closed")
        limit_s = float(self._spec["gate_wait_s"])
        while not lease.begun(self._dir.lease):
            self._reap()
            request = self._stop_request()
            if request is not None:
                return self._end_unstarted("stop", str(request.get("reason", "")))
            left_s = max(self._began_s, lease.held_s(self._dir.lease)) + limit_s - lease.now_s()
            if left_s <= 0 or not os.path.isdir(self._dir.path):
                return self._end_unstarted("lease", f"nobody followed within {limit_s:g} s, so it was never begun")
            self._sleep(min(_TICK_S, left_s))
        self._status["gate"] = "open"
        self._began_s = lease.now_s()
        self._lease = (self._began_s, self._lease[1])
        return None

    def _end_unstarted(self, ended_by: str, reason: str) -> None:
        self._record(state="ended", ended_by=ended_by, stop_reason=reason, ended_at_s=time.time(), left=0)

    def _start(self) -> None:
        pid = os.fork()
        if pid == 0:
            _become_job(self._dir, self._spec)
        self._child_pid = pid
        child = processes.look(pid)
        self._record(state="running", child=child.to_json() if child else None, started_at_s=time.time())

    # --- watch -------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Return when the job has ended and nothing of it is left, or when what is left cannot be ended."""
        wait_s = 0.0
        while True:
            self._sleep(wait_s)
            self._reap()
            if self._ladder is None:
                self._begin_ladder_if_due()
            wait_s = self._until_next_look_s()
            if self._ladder is not None:
                until_step_s = self._ladder.advance()
                if until_step_s is None:
                    self._reap()
                    return
                wait_s = min(wait_s, until_step_s)

    def _sleep(self, wait_s: float) -> None:
        info = signal.sigtimedwait(_WATCHED, max(0.0, wait_s))
        if info is not None and info.si_signo in _STOP_SIGNALS:
            name = signal.Signals(info.si_signo).name
            self._sender = f"{name} from process {info.si_pid} of user {info.si_uid}"
        if self._unwritten:
            self._write()

    def _reap(self) -> None:
        """Read the exit codes of everything that has ended: of the job, and of orphans that were given to us."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._helpers.discard(pid)
            if pid == self._child_pid and self._status["ended_at_s"] is None:
                self._record_exit(wait_status)

    def _record_exit(self, wait_status: int) -> None:
        ended: dict[str, Any] = {"ended_at_s": time.time(), "state": "stopping"}
        if os.WIFSIGNALED(wait_status):
            ended["signal"] = os.WTERMSIG(wait_status)
        else:
            ended["exit_code"] = os.WEXITSTATUS(wait_status)
        if self._status["ended_by"] is None:
            ended["ended_by"] = "itself"
        if self._ladder is None:
            self._ladder = Ladder(leftovers(self._spec["grace_s"]), self._find)
        self._record(**ended)

    def _begin_ladder_if_due(self) -> None:
        request = self._stop_request()
        if request is not None:
            if request.get("dump"):
                self._run_helper("dump", _DUMP_S)
            if self._ladder is None:
                self._begin_ladder("stop", str(request.get("reason", "")), request.get("grace_s"))
            return
        now_s = lease.now_s()
        limit_s = self._spec["timeout_s"]
        if limit_s and now_s >= self._began_s + limit_s:
            self._begin_ladder("timeout", f"the time limit of {limit_s} s was reached")
            return
        expires_s = self._lease_expires_s()
        if expires_s is not None and now_s >= expires_s:
            silent_s = now_s - self._lease[0]
            reason = f"nobody has followed for {silent_s:.1f} s, and the lease is {self._lease[1]:g} s"
            self._begin_ladder("lease", reason)

    def _begin_ladder(self, ended_by: str, reason: str, grace_s: float | None = None) -> None:
        self._ladder = Ladder(full(self._spec["grace_s"] if grace_s is None else grace_s), self._find)
        # The first signal goes out before the record: on a hanging file server the job still has to end.
        self._ladder.advance()
        self._record(state="stopping", ended_by=ended_by, stop_reason=reason)

    def _stop_request(self) -> dict[str, Any] | None:
        if os.path.exists(self._dir.stop_request):
            return files.read_json(self._dir.stop_request) or {}
        return {"reason": self._sender} if self._sender else None

    def _lease_expires_s(self) -> float | None:
        """Return when the lease runs out; one that cannot be read, or cannot be true, leaves it as it was."""
        found = lease.read(self._dir.lease)
        # A renewal from the future would not run out for as long as it claims.
        if found is not None and found[0] <= lease.now_s():
            self._lease = found
        return self._lease[0] + self._lease[1] if self._lease[1] else None

    def _until_next_look_s(self) -> float:
        wait_s = _RETRY_WRITE_S if self._unwritten else _TICK_S
        if self._ladder is not None:
            return wait_s
        moments = [self._lease[0] + self._lease[1] if self._lease[1] else None]
        moments.append(self._began_s + self._spec["timeout_s"] if self._spec["timeout_s"] else None)
        now_s = lease.now_s()
        return min([wait_s, *(moment - now_s for moment in moments if moment is not None)])

    def _find(self) -> list[processes.Process]:
        found = processes.of_run(self._spec["run_id"], self._spec["node_rank"], [processes.myself()])
        return [process for process in found if process.pid not in self._helpers]

    # --- the end -----------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Have the containers of the run removed, unless the job ended well and so had time to do it."""
        if self._status["ended_by"] == "itself" and self._status["exit_code"] == 0:
            return
        self._run_helper("containers", _SWEEP_S)

    def _run_helper(self, name: str, limit_s: float) -> None:
        """Have something done that would cost this process memory, and wait for it, at most `limit_s`."""
        program = [sys.executable, "-E", "-s", "-S", "-B", self._dir.supervisor, name]
        pid = os.posix_spawn(sys.executable, program, os.environ, setsigmask=())
        self._helpers.add(pid)
        deadline_s = lease.now_s() + limit_s
        while pid in self._helpers and lease.now_s() < deadline_s:
            self._sleep(min(_TICK_S, deadline_s - lease.now_s()))
            self._reap()
        if pid in self._helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _record(self, **changes: object) -> None:
        self._status.update(changes)
        self._write()

    def _write(self) -> None:
        try:
            files.write_json(self._dir.status, self._status)
        except OSError as error:
            self._unwritten = True
            if not os.path.isdir(self._dir.path):
                # The run directory was removed under us: nobody is left who could read the record.
                self._unwritten = False
            sys.stderr.write(f"status.json: {error.strerror}\n")
        else:
            self._unwritten = False

    def _write_until_done(self) -> int:
        while self._unwritten:
            self._sleep(_RETRY_WRITE_S)
            self._reap()
        return 0


def _become_job(rank_dir: RankDir, spec: dict[str, Any]) -> None:
    """Turn the forked child into the job; never returns."""
    parent = os.getppid()
    code = 126
    try:
        log = os.open(rank_dir.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.setsid()
        os.umask(spec["umask"])
        os.chdir(spec["work"])
        _default_signals()
        _end_with_parent(parent)
        environment = dict(os.environ)
        environment[processes.RUN_ID_VARIABLE] = spec["run_id"]
        environment[processes.RANK_VARIABLE] = str(spec["node_rank"])
        environment[processes.ATTEMPT_VARIABLE] = str(spec["attempt"])
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve("/bin/sh", ["/bin/sh", rank_dir.run_script], environment)  # noqa: S606 - run.sh is the job
    except OSError as error:
        os.write(2, f"madlaunch: the job could not be started: {error}\n".encode())
    finally:
        os._exit(code)


def _default_signals() -> None:
    """Give every signal its default: a start in the background leaves SIGINT ignored, Python ignores SIGPIPE."""
    for signum in signal.valid_signals():
        # SIGKILL, SIGSTOP and the two that the C library keeps for itself cannot be set.
        with contextlib.suppress(OSError, ValueError):
            signal.signal(signum, signal.SIG_DFL)


def _end_with_parent(parent: int) -> None:
    """Have the kernel send SIGINT to the job when its supervisor dies: then nobody else watches time and lease."""
    with contextlib.suppress(ImportError, OSError):
        # Only in the child, which is about to become another program: ctypes must not cost the supervisor memory.
        from . import kernel  # noqa: PLC0415

        kernel.signal_when_parent_dies(signal.SIGINT)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGINT)
