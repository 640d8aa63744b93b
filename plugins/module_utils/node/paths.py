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

A run that is started again, whole, keeps its id: its attempts from the second on are `<state dir>/runs/<run id>/
attempt<K>/rank<N>/` with K = 1, 2 and so on.

`<state dir>/runs/<run id>/rank<N>.stopped` is a stop of the run: no attempt of this rank is started after it;
`rank<N>.attempt<K>.stopped` is one that only keeps this attempt from being started.

`<state dir>/locks/` says which run has a master port and the GPUs of a host (see `locks`).
"""

from __future__ import annotations

import os
import re

from .errors import NodeError

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RANK_DIR = re.compile(r"rank([0-9]+)")
_ATTEMPT_DIR = re.compile(r"attempt([1-9][0-9]*)")
_DEFAULT_STATE_DIR = "~/.local/state/madlaunch"


class RankDir:
    """The run directory of one rank in one attempt; names only, it touches nothing."""

    def __init__(self, path: str, attempt: int = 0) -> None:
        self.path = path
        self.attempt = attempt
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
        taken = {os.path.basename(path) for path in vars(self).values() if isinstance(path, str)}
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

    def rank(self, node_rank: int, attempt: int = 0) -> RankDir:
        """Return the directory of the rank `node_rank` in an attempt, there or not."""
        path = os.path.join(self._attempt(check_attempt(attempt)), f"rank{check_rank(node_rank)}")
        return RankDir(path, attempt)

    def stopped_mark(self, node_rank: int, attempt: int | None = None) -> str:
        """Return the file whose presence says that this rank was stopped before this (None: any) attempt of it."""
        only = "" if attempt is None else f".attempt{check_attempt(attempt)}"
        return os.path.join(self.path, f"rank{check_rank(node_rank)}{only}.stopped")

    @property
    def all_stopped_mark(self) -> str:
        """The file whose presence says that the run was stopped before any rank of it was known on this host."""
        return os.path.join(self.path, "run.stopped")

    def ranks(self) -> list[tuple[int, RankDir]]:
        """Return the ranks that have a directory, of whatever host: the newest attempt first, each by number."""
        attempts = sorted({_attempt_of(name) for name in _names_in(self.path)} | {0}, reverse=True)
        return [found for attempt in attempts for found in _ranks_in(self._attempt(attempt), attempt)]

    def _attempt(self, attempt: int) -> str:
        return os.path.join(self.path, f"attempt{attempt}") if attempt else self.path


def locks_dir(state_dir: str) -> str:
    """Return the directory with the locks of this login, of all its hosts."""
    return os.path.join(os.path.dirname(runs_dir(state_dir)), "locks")


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


def check_attempt(attempt: object) -> int:
    """Return `attempt` if it is a whole number from 0 on; raises `NodeError`."""
    if isinstance(attempt, int) and not isinstance(attempt, bool) and attempt >= 0:
        return attempt
    message = f"the attempt {attempt!r} is not a whole number from 0 on"
    raise NodeError(message)


def _attempt_of(name: str) -> int:
    """Return the attempt whose directory has this name; the first attempt has none of its own."""
    match = _ATTEMPT_DIR.fullmatch(name)
    return int(match.group(1)) if match else 0


def _ranks_in(path: str, attempt: int) -> list[tuple[int, RankDir]]:
    matches = [match for match in map(_RANK_DIR.fullmatch, _names_in(path)) if match]
    found = [(int(match.group(1)), RankDir(os.path.join(path, match.group(0)), attempt)) for match in matches]
    return sorted(found, key=lambda item: item[0])


def _names_in(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
