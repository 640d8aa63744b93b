# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `start`: make the run directory of a rank and start its supervisor, which lives on without this call."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from typing import Any

from . import checkout, evidence, files, host, lease, listener_record, locks, processes, record
from .errors import NodeError
from .paths import RankDir, RunDir, check_attempt, check_rank, from_home, runs_dir

_UP_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.02
# The slowest of all hosts may have to copy a large checkout from a slow file server.
_GATE_WAIT_S = 1800.0
# A supervisor that has recorded the end has nothing left to do.
_GOES_WITHIN_S = 2.0
# What the supervisor is made of; `start` itself was received from the control node together with these.
_SUPERVISOR_MODULES = (
    "errors",
    "paths",
    "files",
    "lease",
    "processes",
    "ladder",
    "kernel",
    "containers",
    "dump",
    "supervisor",
)
_SUPERVISOR_MAIN = """\
import os
import sys

here = os.path.dirname(os.path.abspath(sys.argv[0]))
if sys.argv[1:] == ["containers"]:
    from node.containers import main
elif sys.argv[1:] == ["dump"]:
    from node.dump import main
else:
    from node.supervisor import main
sys.exit(main(here))
"""


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Start one rank; see the protocol of the node program for arguments and answer.

    With `gate` the supervisor begins the job only at the first `follow` that renews the lease.
    Raises `NodeError`: the run id is taken, was stopped before, no room, an unreadable checkout, no supervisor.
    Nothing of the run directory is left then.
    """
    run = RunDir(args["state_dir"], args["run_id"])
    rank_dir = run.rank(args["node_rank"], args.get("attempt", 0))
    # Everything of a run belongs to this login alone; the job itself gets the umask of the login back.
    umask = os.umask(0o077)
    try:
        _make(rank_dir)
        try:
            status = _start(run, rank_dir, args, umask)
        except BaseException:
            shutil.rmtree(rank_dir.path, ignore_errors=True)
            raise
    except OSError as error:
        raise _disk_error(error, rank_dir) from error
    return {
        "schema": record.SCHEMA,
        "rank_dir": rank_dir.path,
        "pid": (status["child"] or status["supervisor"])["pid"],
        "started_at_s": status["started_at_s"],
        "attempt": status["attempt"],
        "locks": (files.read_json(rank_dir.spec) or {})["locks"],
    }


def _make(rank_dir: RankDir) -> None:
    os.makedirs(os.path.dirname(rank_dir.path), mode=0o700, exist_ok=True)
    try:
        os.mkdir(rank_dir.path, 0o700)
    except FileExistsError as error:
        message = f"this run was started already: {rank_dir.path} exists"
        raise NodeError(message, "take another run id; to see or stop the earlier run use status and stop") from error


def _start(run: RunDir, rank_dir: RankDir, args: dict[str, Any], umask: int) -> dict[str, Any]:
    spec = _spec(rank_dir, args, umask)
    check = _Checks(run, rank_dir, spec)
    check.no_other_attempt()
    holder = locks.holder_of(spec, processes.myself())
    spec["locks"] = locks.take(
        args["state_dir"], list(args.get("lock_keys") or []), holder, share=bool(args.get("share_hosts"))
    )
    try:
        _end_preflight(args["state_dir"], spec)
        files.write_json(rank_dir.spec, spec)
        files.write_json(rank_dir.status, record.first_status(spec, processes.myself()))
        check.not_stopped()
        _write_texts(rank_dir, args)
        if not spec["in_place"]:
            keep_out = runs_dir(args["state_dir"])
            checkout.copy(checkout.Checkout(spec["mad_dir"], keep_out), rank_dir.work, check.not_stopped)
        (lease.prepare if spec["gate_wait_s"] else lease.renew)(rank_dir.lease, spec["lease_s"])
        _write_supervisor(rank_dir)
        check.not_stopped()
        return _until_up(rank_dir, _launch(rank_dir, args["state_dir"], spec))
    except BaseException:
        locks.release(args["state_dir"], spec["locks"], holder)
        raise


def _end_preflight(state_dir: str, spec: dict[str, Any]) -> None:
    """End the preflight of a later launch on a port that this run has a lock of: the job is about to listen there."""
    for port in (int(key[len("port-") :]) for key in spec["locks"] if key.startswith("port-")):
        listener_record.end_other(listener_record.path_of(state_dir, port), port, spec["run_id"])


class _Checks:
    """What may keep a rank from being started, from the first moment to the last."""

    def __init__(self, run: RunDir, rank_dir: RankDir, spec: dict[str, Any]) -> None:
        self._run = run
        self._dir = rank_dir
        self._spec = spec

    def not_stopped(self) -> None:
        """Raise `NodeError` if somebody stopped the rank meanwhile."""
        rank = self._spec["node_rank"]
        marks = [self._run.stopped_mark(rank, attempt) for attempt in (None, self._dir.attempt)]
        if any(os.path.exists(path) for path in [*marks, self._run.all_stopped_mark, self._dir.stop_request]):
            message = f"the run {self._spec['run_id']} was stopped before its rank {rank} had started"
            raise NodeError(message)

    def no_other_attempt(self) -> None:
        """Raise `NodeError` if another attempt of the rank runs: its supervisor would end the processes of this one."""
        for other in record.ranks_here(self._run, self._spec["node_rank"]):
            status = record.observe(other) if other.path != self._dir.path else None
            if status is not None and (status["state"] != "ended" or not record.is_unwatched(status, _GOES_WITHIN_S)):
                message = f"attempt {other.attempt} of rank {self._spec['node_rank']} still runs on this host"
                raise NodeError(message, "stop it first; it is clean when verify says so")


def _spec(rank_dir: RankDir, args: dict[str, Any], umask: int) -> dict[str, Any]:
    """Return spec.json: what was asked for, and where it is done."""
    mad_dir = from_home(args["mad_dir"])
    in_place = bool(args["in_place"])
    if not os.path.isdir(mad_dir):
        message = f"the MAD checkout {mad_dir} is not there"
        raise NodeError(message, "clone MAD to this place, or set mad_dir")
    return {
        "schema": record.SCHEMA,
        **{name: args[name] for name in ("run_id", "nnodes", "host", "model", "owner")},
        "node_rank": check_rank(args["node_rank"]),
        "attempt": check_attempt(rank_dir.attempt),
        "plan": args.get("plan"),
        **{name: float(args[name]) if args[name] % 1 else int(args[name]) for name in _DURATIONS},
        "hostname": host.hostname(),
        "machine_id": host.machine_id(),
        "boot_id": host.boot_id(),
        "created_at_s": time.time(),
        "gate_wait_s": float(args.get("gate_wait_s") or _GATE_WAIT_S) if args.get("gate") else 0.0,
        "umask": umask,
        "mad_dir": mad_dir,
        "in_place": in_place,
        "work": mad_dir if in_place else rank_dir.work,
        "perf_rows_before": evidence.count_perf_rows(mad_dir) if in_place else 0,
    }


_DURATIONS = ("timeout_s", "grace_s", "lease_s")


def _write_texts(rank_dir: RankDir, args: dict[str, Any]) -> None:
    files.create_file(rank_dir.run_script, args["script"].encode(), 0o700)
    # There from the beginning: follow may come before the first line.
    files.create_file(rank_dir.log, b"")
    for name, text in args["files"].items():
        files.create_file(rank_dir.file(name), text.encode())


def _write_supervisor(rank_dir: RankDir) -> None:
    sources: dict[str, str] = sys.modules[__package__].__sources__
    package = os.path.join(rank_dir.supervisor, "node")
    os.makedirs(package)
    texts = {os.path.join(package, name + ".py"): sources[name] for name in _SUPERVISOR_MODULES}
    texts[os.path.join(package, "__init__.py")] = ""
    texts[os.path.join(rank_dir.supervisor, "__main__.py")] = _SUPERVISOR_MAIN
    for path, text in texts.items():
        files.create_file(path, text.encode(), durable=False)


def _launch(rank_dir: RankDir, state_dir: str, spec: dict[str, Any]) -> int:
    """Start the supervisor in a session of its own, as nobody's child; return its process number."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            grandchild = os.fork()
            if grandchild:
                os.write(send, b"%d" % grandchild)
            else:
                _become_supervisor(rank_dir, state_dir, spec)
        finally:
            os._exit(0)
    os.close(send)
    os.waitpid(child, 0)
    with open(receive, "rb") as stream:
        return int(stream.read())


def _become_supervisor(rank_dir: RankDir, state_dir: str, spec: dict[str, Any]) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(rank_dir.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for handle, number in ((null, 0), (log, 1), (log, 2)):
        os.dup2(handle, number)
    os.chdir("/")
    try:
        # The process number stays when this becomes the supervisor, and so the locks hold until that ends.
        locks.hand_over(state_dir, spec["locks"], locks.holder_of(spec, processes.myself()))
    except OSError as error:
        os.write(2, f"the locks cannot be kept: {error}\n".encode())
        return
    try:
        # Here and not there: the setting outlives the exec, the memory that ctypes takes does not.
        from . import kernel  # noqa: PLC0415

        kernel.adopt_orphans()
    except (ImportError, OSError) as error:
        os.write(2, f"orphans are found by their environment only: {error}\n".encode())
    python = sys.executable or "/proc/self/exe"
    os.execv(python, [python, "-E", "-s", "-S", "-B", rank_dir.supervisor])  # noqa: S606 - our own program


def _until_up(rank_dir: RankDir, pid: int) -> dict[str, Any]:
    """Return the status of the rank as soon as it runs, waits at its gate, or has ended already."""
    supervisor = processes.look(pid)
    deadline_s = lease.now_s() + _UP_WITHIN_S
    while lease.now_s() < deadline_s:
        gone = supervisor is None or not processes.is_running(supervisor.to_json())
        status = files.read_json(rank_dir.status)
        if status is not None and (status["state"] != "starting" or status.get("gate")):
            return status
        if gone:
            break
        time.sleep(_LOOK_EVERY_S)
    _give_up(rank_dir, supervisor)
    said = files.tail(rank_dir.supervisor_log, 2000).decode("utf-8", "replace").strip()
    message = f"the supervisor did not start the job within {_UP_WITHIN_S:.0f} s: {said or 'it said nothing'}"
    raise NodeError(message, "try the Python of this host: python3 -E -s -S -c 'import json, signal'")


def _give_up(rank_dir: RankDir, supervisor: processes.Process | None) -> None:
    """End a supervisor that did not come up, and the job in case that it got so far."""
    spec = files.read_json(rank_dir.spec) or {}
    known = [supervisor] if supervisor is not None else []
    for process in [*known, *processes.of_run(spec["run_id"], spec["node_rank"], known)]:
        processes.send(process, signal.SIGKILL)


def _disk_error(error: OSError, rank_dir: RankDir) -> NodeError:
    where = error.filename or os.path.dirname(rank_dir.path)
    message = f"the run directory cannot be made: {where}: {error.strerror}"
    if error.errno in files.NO_SPACE_ERRORS:
        with contextlib.suppress(OSError):
            room = os.statvfs(os.path.dirname(rank_dir.path))
            message += f" ({room.f_bavail * room.f_frsize / 1e6:.0f} MB and {room.f_favail} inodes are free)"
    return NodeError(message, "make room or rights there, or set node_state_dir to another place")
