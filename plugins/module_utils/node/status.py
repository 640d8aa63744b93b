# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `status`: the runs of this login on this host, as they are."""

from __future__ import annotations

import os
from typing import Any

from . import files, record
from .paths import RankDir, RunDir, run_ids

_TAIL_BYTES = 8192
_LINE_CHARS = 500


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Return the status of one run (`run_id`) or of all runs (None); see the protocol of the node program."""
    wanted = [args["run_id"]] if args["run_id"] is not None else run_ids(args["state_dir"])
    found = []
    for run_id in wanted:
        for rank_dir in record.ranks_here(RunDir(args["state_dir"], run_id), None):
            status = record.observe(rank_dir)
            if status is not None:
                found.append({**status, **_log(rank_dir)})
    return {"schema": record.SCHEMA, "runs": found}


def _log(rank_dir: RankDir) -> dict[str, Any]:
    try:
        log = os.stat(rank_dir.log)
    except FileNotFoundError:
        return {"log_size_bytes": 0, "last_line": "", "last_output_s": None}
    return {
        "log_size_bytes": log.st_size,
        "last_line": last_line(files.tail(rank_dir.log, _TAIL_BYTES)),
        "last_output_s": log.st_mtime if log.st_size else None,
    }


def last_line(data: bytes) -> str:
    """Return the last line with something in it, as a terminal would show it: what follows the last return."""
    lines = [line.strip() for line in data.replace(b"\r", b"\n").split(b"\n")]
    filled = [line for line in lines if line]
    return filled[-1].decode("utf-8", "replace")[-_LINE_CHARS:] if filled else ""
