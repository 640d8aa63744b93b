# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `status`: the runs of this login on this host, as they are."""

from __future__ import annotations

import os
import time
from typing import Any

from . import files, host, record
from .paths import RankDir, RunDir, run_ids

_TAIL_BYTES = 8192
_LINE_CHARS = 500


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Return the status of one run (`run_id`) or of all runs (None); see the protocol of the node program."""
    everyone = run_ids(args["state_dir"]) if args["run_id"] is None else [args["run_id"]]
    wanted = [run_id for run_id in everyone if run_id.startswith(args.get("prefix") or "")]
    found = [status for run_id in wanted for status in _of_run(RunDir(args["state_dir"], run_id), args)]
    return {
        "schema": record.SCHEMA,
        "now_s": time.time(),
        "hostname": host.hostname(),
        "boot_id": host.boot_id(),
        "runs": found,
    }


def _of_run(run: RunDir, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ranks of a run on this host by number, each with its newest attempt or (on request) all of them."""
    here = {rank_dir.path for rank_dir in record.ranks_here(run, args.get("node_rank"))}
    attempts: dict[int, list[RankDir]] = {}
    for number, rank_dir in run.ranks():
        if rank_dir.path in here:
            attempts.setdefault(number, []).insert(0, rank_dir)
    found = []
    for _attempt, rank_dirs in sorted(attempts.items()):
        for rank_dir in rank_dirs if args.get("all_attempts") else rank_dirs[-1:]:
            status = record.observe(rank_dir)
            if status is not None:
                record.wake(status)
                numbers = [one.attempt for one in rank_dirs]
                found.append({**status, **_log(rank_dir), **_more(rank_dir, status, args), "attempts": numbers})
    return found


def _more(rank_dir: RankDir, status: dict[str, Any], args: dict[str, Any]) -> dict[str, Any]:
    end_s = status["ended_at_s"] or time.time()
    more = {"rank_dir": rank_dir.path, "runtime_s": max(0.0, end_s - status["started_at_s"])}
    if args.get("want_plan"):
        more["plan"] = (files.read_json(rank_dir.spec) or {}).get("plan")
    return more


def _log(rank_dir: RankDir) -> dict[str, Any]:
    try:
        log = os.stat(rank_dir.log)
    except FileNotFoundError:
        return {"log_size_bytes": 0, "last_line": "", "last_output_s": None, "last_output_age_s": None}
    return {
        "log_size_bytes": log.st_size,
        "last_line": last_line(files.tail(rank_dir.log, _TAIL_BYTES)),
        "last_output_s": log.st_mtime if log.st_size else None,
        "last_output_age_s": max(0.0, time.time() - log.st_mtime) if log.st_size else None,
    }


def last_line(data: bytes) -> str:
    """Return the last line with something in it, as a terminal would show it: what follows the last return."""
    lines = [line.strip() for line in data.replace(b"\r", b"\n").split(b"\n")]
    filled = [line for line in lines if line]
    return filled[-1].decode("utf-8", "replace")[-_LINE_CHARS:] if filled else ""
