# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `verify`: one look at what is left of a run on this host. No signal is sent, nothing is removed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import containers, files, host, processes, record
from .paths import RunDir

if TYPE_CHECKING:
    from .paths import RankDir

# A supervisor that has recorded the end has nothing left to do; it is not taken for a leftover while it goes.
_GOES_WITHIN_S = 2.0
# What was born while /proc was read, and whose parent died meanwhile, shows up only the second time.
_LOOK_AGAIN_S = 0.02


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Return what is left of a run (of its rank `node_rank`, or of all its ranks), of all attempts."""
    return look(RunDir(args["state_dir"], args["run_id"]), args["node_rank"])


def look(run: RunDir, node_rank: int | None) -> dict[str, Any]:
    """Return {"schema", "found", "clean", "processes_left": [{"pid", "command"}], "containers_left": [str]}."""
    ranks = record.ranks_here(run, node_rank)
    for rank_dir in ranks:
        status = files.read_json(rank_dir.status)
        if status is not None:
            record.is_unwatched(status, _GOES_WITHIN_S)
    left = _processes(run, node_rank, ranks)
    there = [name for rank_dir in ranks for name in containers.present(rank_dir)]
    return {
        "schema": record.SCHEMA,
        "found": bool(ranks or left),
        "clean": not left and not there,
        "processes_left": [{"pid": one.pid, "command": processes.command(one.pid)} for one in left],
        "containers_left": list(dict.fromkeys(there)),
    }


def _processes(run: RunDir, node_rank: int | None, ranks: list[RankDir]) -> list[processes.Process]:
    roots = [process for rank_dir in ranks for process in known(rank_dir)]
    if not processes.of_run(run.run_id, node_rank, roots):
        time.sleep(_LOOK_AGAIN_S)
    return processes.of_run(run.run_id, node_rank, roots)


def known(rank_dir: RankDir) -> list[processes.Process]:
    """Return the supervisor and the job that the record of a rank names, if it is of this boot."""
    status = files.read_json(rank_dir.status) or {}
    if status.get("boot_id") != host.boot_id():
        return []
    return [*processes.from_json(status["supervisor"]), *processes.from_json(status["child"])]
