# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `follow`: what the log of a rank has from an offset on, and the state of the rank. Renews the lease.

A call that waits renews it as long as its caller is seen to hold the line, so that a network that is cut is given the
whole lease to come back; a call whose caller has hung up ends at once.

The last answer also has what is left of the rank on the host, so that nobody has to ask again.
"""

from __future__ import annotations

import binascii
import contextlib
import os
import select
import time
import zlib
from typing import Any

from . import evidence, files, lease, record, verify
from .errors import NodeError
from .paths import RankDir, RunDir

# A rank that prints is not answered line by line: what comes within this time comes together.
_GATHER_S = 0.1
_LOOK_EVERY_S = 0.05
# A rank that has been silent for a while; the node's processors belong to the training.
_SILENT_AFTER_S, _LOOK_AT_SILENT_EVERY_S = 2.0, 0.15
_RENEW_EVERY_S = 3.0
_STANDARD_OUTPUT = 1
# Shares of the lease.
_WAIT, _WAIT_WITH_LINE = 0.5, 0.75
# /proc is asked less often than the two files are looked at.
_OBSERVE_EVERY_S = 0.5
# Level 1: log text shrinks well even so, and the node's processors belong to the training.
_COMPRESSION = 1


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Wait for news of a rank and return them; see the protocol of the node program for arguments and answer.

    Raises `NodeError` when the rank is not known on this host or its log is shorter than `offset`.
    """
    rank_dir = find(args)
    if args.get("hold"):
        _hold(rank_dir, args)
    renews = bool(args.get("renew", True))
    wait_s = _renewed(rank_dir, args) if renews else args["wait_s"]
    caller = Caller(rank_dir.lease, float(args["lease_s"])) if renews and args.get("holds_line") else None
    offset = int(args["offset"])
    max_bytes = int(args["max_bytes"])
    status = Watch(rank_dir, offset, max_bytes, caller).wait(float(wait_s))
    # The size is read after the status: of a rank that has ended, it is the size for good.
    size_bytes = _log_size(rank_dir, offset)
    data = _read(rank_dir.log, offset, min(max_bytes, size_bytes - offset))
    complete = status["state"] == "ended" and offset + len(data) == size_bytes
    return {
        "schema": record.SCHEMA,
        "status": status,
        "offset": offset,
        "size_bytes": size_bytes,
        "data": binascii.b2a_base64(zlib.compress(data, _COMPRESSION), newline=False).decode("ascii"),
        "results": _results(rank_dir) if complete and args["want_results"] else None,
        "clean": _clean(args) if complete and args["want_results"] else None,
        "now_s": time.time(),
    }


def _hold(rank_dir: RankDir, args: dict[str, Any]) -> None:
    """Keep a rank waiting at its gate; one that has begun is left as it is."""
    if not lease.begun(rank_dir.lease):
        with contextlib.suppress(OSError):
            lease.hold(rank_dir.lease, float(args["lease_s"]))


def _renewed(rank_dir: RankDir, args: dict[str, Any]) -> float:
    """Renew the lease, or lift it (0); return how many seconds this call may wait. A rank at its gate is let begin."""
    lease_s = float(args["lease_s"])
    with contextlib.suppress(OSError):
        # A lease that cannot be renewed is the supervisor's business; the lines are still worth having.
        lease.renew(rank_dir.lease, lease_s)
    with contextlib.suppress(OSError):
        record.wake(files.read_json(rank_dir.status) or {"state": "ended"})
    # Who waits renews nothing, unless the line is seen to stand; and that is believed for no longer than this.
    share = _WAIT_WITH_LINE if args.get("holds_line") else _WAIT
    return float(min(args["wait_s"], lease_s * share) if lease_s else args["wait_s"])


def _clean(args: dict[str, Any]) -> dict[str, Any]:
    return verify.look(RunDir(args["state_dir"], args["run_id"]), args["node_rank"])


def _results(rank_dir: RankDir) -> dict[str, Any]:
    spec = files.read_json(rank_dir.spec) or {}
    return evidence.gather(rank_dir.path, spec["work"], spec["perf_rows_before"])


def find(args: dict[str, Any]) -> RankDir:
    """Return the directory of the rank that `args` names, of its newest attempt if they name none.

    Raises `NodeError` if it is not of this host.
    """
    run = RunDir(args["state_dir"], args["run_id"])
    attempt = args.get("attempt")
    found = record.ranks_here(run, args["node_rank"], attempt)
    if found:
        return found[0]
    which = f"attempt {attempt} of rank" if attempt is not None else "rank"
    message = f"this host has no {which} {args['node_rank']} of the run {run.run_id} ({run.path})"
    raise NodeError(message, "look with status which runs and ranks the hosts have")


class Caller:
    """Who waits for the answer of this call, over a connection that is closed when that one is gone.

    Only for connections of which the control node knows that (`holds_line`): behind sudo, for one, nobody hangs up.
    """

    def __init__(self, lease_path: str, lease_s: float) -> None:
        self._lease_path = lease_path
        self._lease_s = lease_s
        self._renewed_s = time.monotonic()
        self._line = select.poll()
        # An error and a hang-up are told unasked.
        self._line.register(_STANDARD_OUTPUT, 0)

    def holds(self) -> bool:
        """Return whether the line stands, and renew the lease if it does."""
        if self._line.poll(0):
            return False
        if time.monotonic() - self._renewed_s >= _RENEW_EVERY_S:
            self._renewed_s = time.monotonic()
            with contextlib.suppress(OSError):
                lease.renew(self._lease_path, self._lease_s)
        return True


class Watch:
    """Waits until a rank has news (bytes after `offset`, another state, an exit code), or until the caller is gone."""

    def __init__(self, rank_dir: RankDir, offset: int, enough_bytes: int, caller: Caller | None = None) -> None:
        self._dir = rank_dir
        self._offset = offset
        self._enough_bytes = enough_bytes
        self._caller = caller
        self._status = self._observe()
        self._observed_s = time.monotonic()
        self._signature = self._status_file()

    def wait(self, wait_s: float) -> dict[str, Any]:
        """Return the status at the first news, after `wait_s` without any, at once if the rank has ended."""
        silent_at_s = time.monotonic() + _SILENT_AFTER_S
        deadline_s = time.monotonic() + wait_s
        news = _news(self._status)
        while self._status["state"] != "ended" and time.monotonic() < deadline_s and _news(self._status) == news:
            there_bytes = _log_size(self._dir, self._offset) - self._offset
            if there_bytes:
                time.sleep(_GATHER_S if there_bytes < self._enough_bytes else 0)
                break
            if self._caller is not None and not self._caller.holds():
                break
            time.sleep(_LOOK_EVERY_S if time.monotonic() < silent_at_s else _LOOK_AT_SILENT_EVERY_S)
            self._observe_if_due()
        self._observe_if_due()
        return self._status

    def _observe_if_due(self) -> None:
        signature = self._status_file()
        if signature != self._signature or time.monotonic() - self._observed_s >= _OBSERVE_EVERY_S:
            self._status = self._observe()
            self._observed_s = time.monotonic()
            self._signature = signature

    def _observe(self) -> dict[str, Any]:
        status = record.observe(self._dir)
        if status is None:
            message = f"{self._dir.status} is missing or damaged"
            raise NodeError(message, f"look into {self._dir.path}; stop ends what is left of the run")
        return status

    def _status_file(self) -> tuple[int, int]:
        with contextlib.suppress(OSError):
            found = os.stat(self._dir.status)
            return found.st_ino, found.st_mtime_ns
        return 0, 0


def _news(status: dict[str, Any]) -> tuple[Any, ...]:
    return status["state"], status["exit_code"], status["signal"]


def _log_size(rank_dir: RankDir, offset: int) -> int:
    try:
        size_bytes = os.stat(rank_dir.log).st_size
    except FileNotFoundError:
        size_bytes = 0
    if 0 <= offset <= size_bytes:
        return size_bytes
    message = f"{rank_dir.log} has {size_bytes} bytes, asked for was what follows byte {offset}"
    raise NodeError(message, "somebody shortened the log on the node; what was relayed so far is all there is")


def _read(path: str, offset: int, count: int) -> bytes:
    if count <= 0:
        return b""
    with open(path, "rb") as stream:
        stream.seek(offset)
        return stream.read(count)
