# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that names the files of a run on a node.

`<state dir>/runs/<run id>/rank<N>/` (0700; N is in the path because a home may be shared by all nodes) has

- `run.sh`, `context.json` and so on: what runs; people can read it and run it again by hand,
- `log`: standard output and error of the job, raw,
- `spec.json`, `status.json`, `lease`, `stop`: what was asked for, what is, until when, and the request to stop,
- `work/`: the copy of the MAD checkout,
- `supervisor/`, `supervisor.log`: the program that watches the job, and what it had to complain about.

`<state dir>/runs/<run id>/rank<N>.stopped` is a stop that came before the start, which is then refused.
"""

from __future__ import annotations

import os
import re

from .errors import NodeError

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RANK_DIR = re.compile(r"rank([0-9]+)")
_DEFAULT_STATE_DIR = "~/.local/state/madlaunch"


class RankDir:
    """The run directory of one rank; names only, it touches nothing."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.run_script = os.path.join(path, "run.sh")
        self.log = os.path.join(path, "log")
        self.spec = os.path.join(path, "spec.json")
        self.status = os.path.join(path, "status.json")
        self.lease = os.path.join(path, "lease")
        self.stop_request = os.path.join(path, "stop")
        self.work = os.path.join(path, "work")
        self.supervisor = os.path.join(path, "supervisor")
        self.supervisor_log = os.path.join(path, "supervisor.log")

    def file(self, name: str) -> str:
        """Return the path of an extra file beside run.sh; a name that is a path or is taken is refused."""
        taken = {os.path.basename(path) for path in vars(self).values()}
        if not name or "/" in name or name in taken or name in {".", ".."}:
            message = f"{name!r} cannot be the name of a file of a run: it is a path, or the name of another file"
            raise NodeError(message)
        return os.path.join(self.path, name)


class RunDir:
    """The directory of one run below the state directory of this login; names only, it makes nothing.

    Args:
        state_dir: '' for ~/.local/state/madlaunch; `~` is expanded, a relative path starts at the home directory.
        run_id: see `check_run_id`.

    """

    def __init__(self, state_dir: str, run_id: str) -> None:
        self.run_id = check_run_id(run_id)
        self.path = os.path.join(runs_dir(state_dir), self.run_id)

    def rank(self, node_rank: int) -> RankDir:
        """Return the directory of the rank `node_rank`, there or not."""
        return RankDir(os.path.join(self.path, f"rank{check_rank(node_rank)}"))

    def stopped_mark(self, node_rank: int) -> str:
        """Return the file whose presence says that this rank was stopped before it was started."""
        return os.path.join(self.path, f"rank{check_rank(node_rank)}.stopped")

    def ranks(self) -> list[tuple[int, RankDir]]:
        """Return the ranks that have a directory, of whatever host, in the order of their numbers."""
        found = []
        for name in _names_in(self.path):
            match = _RANK_DIR.fullmatch(name)
            if match:
                found.append((int(match.group(1)), RankDir(os.path.join(self.path, name))))
        return sorted(found, key=lambda item: item[0])


def runs_dir(state_dir: str) -> str:
    """Return the directory with all runs of this login."""
    return os.path.join(from_home(state_dir or _DEFAULT_STATE_DIR), "runs")


def run_ids(state_dir: str) -> list[str]:
    """Return the ids of the runs that have a directory, in alphabetical order."""
    return sorted(name for name in _names_in(runs_dir(state_dir)) if _RUN_ID.fullmatch(name))


def from_home(path: str) -> str:
    """Return `path` as an absolute path: `~` expanded, a relative path taken from the home directory."""
    return os.path.normpath(os.path.join(os.path.expanduser("~"), os.path.expanduser(path)))


def check_run_id(run_id: object) -> str:
    """Return `run_id` if it can name a directory safely; raises `NodeError`."""
    if isinstance(run_id, str) and _RUN_ID.fullmatch(run_id):
        return run_id
    message = f"the run id {run_id!r} is not usable"
    hint = "use 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit"
    raise NodeError(message, hint)


def check_rank(node_rank: object) -> int:
    """Return `node_rank` if it is a whole number from 0 on; raises `NodeError`."""
    if isinstance(node_rank, int) and not isinstance(node_rank, bool) and node_rank >= 0:
        return node_rank
    message = f"the node rank {node_rank!r} is not a whole number from 0 on"
    raise NodeError(message)


def _names_in(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
