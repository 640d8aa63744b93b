# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of earlier runs is still alive on a host: by the status files of the runs, and by the run id in environments.

Of other logins neither can be read; their runs are known by the command line of the supervisor, which anybody may see.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from . import paths, processes
from .files import read_json
from .host import boot_id, hostname
from .probe_procs import age_s, ancestors, owner, process_ids, user_name, variables

# python3 -E -s -S -B <state dir>/runs/<run id>/[attempt<K>/]rank<N>/supervisor, as `start` starts it.
_SUPERVISOR = re.compile(r"/runs/([A-Za-z0-9][A-Za-z0-9._-]{0,63})/(?:attempt[0-9]+/)?rank([0-9]+)/supervisor")


def leftovers(state_dir: str, run_id: str) -> list[dict[str, object]]:
    """Return each living rank: {"run_id", "node_rank", "pid", "state", "age_s", "same_user", "owner", "model"}.

    Processes of the run `run_id` itself, and those that asked for this probe, are none.
    """
    found = {(item["run_id"], item["node_rank"]): item for item in [*_of_other_logins(), *_of_processes()]}
    found.update({(item["run_id"], item["node_rank"]): item for item in _of_files(state_dir)})
    return [found[key] for key in sorted(found, key=str) if key[0] != run_id]


def _of_processes() -> list[dict[str, object]]:
    own = ancestors(os.getpid())
    found: dict[tuple[str, int], dict[str, object]] = {}
    for pid in process_ids():
        values = {} if pid in own else variables(pid)
        run_id, rank = values.get(processes.RUN_ID_VARIABLE, ""), values.get(processes.RANK_VARIABLE, "")
        process = processes.look(pid) if run_id and rank.isdigit() else None
        if process is not None and process.running:
            status = {"run_id": run_id, "node_rank": int(rank), "state": "running"}
            found.setdefault((run_id, int(rank)), _item(status, process))
    return list(found.values())


def _of_other_logins() -> list[dict[str, object]]:
    found = []
    for pid in process_ids():
        match = _supervised(pid) if owner(pid) not in {None, os.getuid()} else None
        process = processes.look(pid) if match else None
        if match and process is not None and process.running:
            status = {"run_id": match.group(1), "node_rank": int(match.group(2)), "state": "running"}
            found.append(_item(status, process))
    return found


def _supervised(pid: int) -> re.Match[str] | None:
    """Return the match of the run directory if the process is a supervisor: a Python whose last word names one."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = stream.read().rstrip(b"\0").decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    return _SUPERVISOR.search(words[-1]) if words[1:-1] == ["-E", "-s", "-S", "-B"] else None


def _of_files(state_dir: str) -> list[dict[str, object]]:
    found = []
    for run_id in paths.run_ids(state_dir):
        for node_rank, folder in paths.RunDir(state_dir, run_id).ranks():
            status = _status(folder.status)
            process = _living(status)
            if process is not None:
                found.append(_item({**status, "run_id": run_id, "node_rank": node_rank}, process))
    return found


def _item(status: dict[str, Any], process: processes.Process) -> dict[str, object]:
    uid = owner(process.pid)
    started_at_s = status.get("started_at_s")
    age = time.time() - started_at_s if isinstance(started_at_s, (int, float)) else age_s(process)
    return {
        "run_id": status["run_id"],
        "node_rank": status["node_rank"],
        "pid": process.pid,
        "state": str(status.get("state", "")),
        "age_s": round(max(0.0, age), 1),
        "same_user": uid == os.getuid(),
        "owner": user_name(uid),
        "model": str(status.get("model", "")),
    }


def _living(status: dict[str, Any]) -> processes.Process | None:
    """Return the rank's supervisor or job if it runs on this host, in this boot; a shared home has those of others."""
    if status.get("boot_id") != boot_id() or status.get("hostname") != hostname():
        return None
    for name in ("supervisor", "child"):
        identity = status.get(name)
        if isinstance(identity, dict) and processes.is_running(identity):
            return processes.look(identity["pid"])
    return None


def _status(path: str) -> dict[str, Any]:
    """Return what a status file holds; {} for one that another user wrote or that is no JSON."""
    try:
        return read_json(path) or {}
    except OSError:
        return {}
