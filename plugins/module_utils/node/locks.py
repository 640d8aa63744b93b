# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: which run has a master port, or GPUs, of this host. One file for each, `<state dir>/locks/<key>@<host>`.

A lock holds for as long as the process lives that it names (first the start, then the supervisor); what a dead process,
or another boot of the host, left is stale and is replaced. Nobody has to release anything, so nothing can be forgotten.
The keys are `port-<number>`, `gpus` (all of them) and `gpu-<id>` (see `_locks.py` of the collection).
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

from . import files, host, processes
from .errors import NodeError
from .paths import locks_dir

ALL_GPUS = "gpus"
_KEY = re.compile(r"[a-z][A-Za-z0-9._-]{0,63}")
# Another start may take a lock, or find it stale, between two steps of this one.
_TRIES = 5


def take(state_dir: str, keys: list[str], holder: dict[str, Any], *, share: bool = False) -> list[str]:
    """Take the locks `keys` for `holder` (see `holder_of`) and return the keys that it has now.

    A lock of the same run is no obstacle: another rank or an earlier attempt of it. With `share`, neither is one of
    another run; it stays as it is. Otherwise raises `NodeError`, and what this call took is given back.
    """
    folder = locks_dir(state_dir)
    if keys:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    taken: list[str] = []
    for key in keys:
        other = _take_one(_path(folder, key), holder)
        if other is None:
            taken.append(key)
            other = _crossing(state_dir, key, holder)
        if other is not None and not share:
            release(state_dir, taken, holder)
            raise _conflict(key, other)
    return taken


def hand_over(state_dir: str, keys: list[str], holder: dict[str, Any]) -> None:
    """Say that `holder` has the locks now that this process took for it."""
    for key in keys:
        files.write_json(_path(locks_dir(state_dir), key), {**holder, "key": key})


def release(state_dir: str, keys: list[str], holder: dict[str, Any]) -> None:
    """Give back the locks that this very process holds."""
    for key in keys:
        path = _path(locks_dir(state_dir), key)
        if (files.read_json(path) or {}).get("pid") == holder["pid"]:
            with contextlib.suppress(OSError):
                os.unlink(path)


def holder_of(spec: dict[str, Any], process: processes.Process) -> dict[str, Any]:
    """Return what a lock says of its holder: the rank of this spec, and the process for whose life it holds."""
    names = ("run_id", "node_rank", "attempt", "owner", "model", "hostname", "boot_id")
    return {**{name: spec[name] for name in names}, **process.to_json()}


def held(state_dir: str) -> list[dict[str, Any]]:
    """Return {"key", "run_id", "node_rank", "attempt", "owner", "model", "pid", "alive"} of each lock of this host."""
    folder = locks_dir(state_dir)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    suffix = "@" + host.hostname()
    found = []
    for name in names:
        if name.endswith(suffix) and _KEY.fullmatch(name[: -len(suffix)]):
            lock = _read(os.path.join(folder, name))
            if lock is not None:
                found.append({**_shown(lock), "key": name[: -len(suffix)], "alive": _is_alive(lock)})
    return found


def _take_one(path: str, holder: dict[str, Any]) -> dict[str, Any] | None:
    """Write the lock unless another run has it; return that one's words, None when it is ours."""
    for _attempt in range(_TRIES):
        if files.create_once(path, holder):
            return None
        there = _read(path)
        if there is not None and _is_alive(there):
            if there["run_id"] != holder["run_id"]:
                return there
            files.write_json(path, holder)
            return None
        _remove_stale(path, there)
    message = f"the lock {path} cannot be taken: others take it at the same time"
    raise NodeError(message, "start the run again")


def _remove_stale(path: str, stale: dict[str, Any] | None) -> None:
    """Take away a lock that nobody holds; one that was taken meanwhile is put back."""
    aside = f"{path}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        try:
            if _read(aside) != stale:
                with contextlib.suppress(FileExistsError):
                    os.link(aside, path)
        finally:
            os.unlink(aside)


def _crossing(state_dir: str, key: str, holder: dict[str, Any]) -> dict[str, Any] | None:
    """Return a lock of another run on all GPUs for a lock on one of them, and the other way round."""
    if key != ALL_GPUS and not key.startswith("gpu-"):
        return None
    for lock in held(state_dir):
        crosses = lock["key"].startswith("gpu-") if key == ALL_GPUS else lock["key"] == ALL_GPUS
        if crosses and lock["alive"] and lock["run_id"] != holder["run_id"]:
            return lock
    return None


def _read(path: str) -> dict[str, Any] | None:
    """Return the words of a lock, None for one that is gone, damaged, or no lock."""
    try:
        lock = files.read_json(path)
    except OSError:
        return None
    return lock if lock is not None and isinstance(lock.get("run_id"), str) and "pid" in lock else None


def _is_alive(lock: dict[str, Any]) -> bool:
    here = (lock.get("hostname"), lock.get("boot_id")) == (host.hostname(), host.boot_id())
    return here and processes.is_running({"pid": lock["pid"], "start_ticks": lock.get("start_ticks", -1)})


def _shown(lock: dict[str, Any]) -> dict[str, Any]:
    return {name: lock.get(name) for name in ("run_id", "node_rank", "attempt", "owner", "model", "pid")}


def _path(folder: str, key: str) -> str:
    if not _KEY.fullmatch(key):
        message = f"{key!r} cannot name a lock"
        raise NodeError(message)
    return os.path.join(folder, f"{key}@{host.hostname()}")


def _conflict(key: str, other: dict[str, Any]) -> NodeError:
    what = f"the master port {key[5:]}" if key.startswith("port-") else "the GPUs"
    message = f"the run {other['run_id']} of {other['owner']} has {what} of this host"
    return NodeError(
        message, f"stop it (python launcher.py stop {other['run_id']} --nodes HOST), or allow both with --share-hosts"
    )
