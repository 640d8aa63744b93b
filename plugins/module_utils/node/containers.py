# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that a run started: found by what they mount, removed, looked for again.

madengine mounts its working directory into the container, and every rank has a working directory of its own. All calls
of docker and podman are limited in time: a daemon that hangs must not hold up the end of a run.
"""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from typing import Any

from . import files
from .paths import RankDir
from .processes import RANK_VARIABLE, RUN_ID_VARIABLE

ENGINES = ("docker", "podman")
_LIST_S = 10.0
_REMOVE_S = 20.0
# The client says one of these when there is no daemon, or none that this login may talk to. Then this login cannot
# have started a container with it either.
_NOBODY_THERE = ("cannot connect to the docker daemon", "permission denied", "no such file or directory")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$")


class EngineError(Exception):
    """docker or podman did not do what was asked; the text says which call and why."""


def sweep(rank_dir: RankDir) -> tuple[list[str], list[str]]:
    """Remove the containers of a rank; return the ids that are gone, and what is left or could not be looked at."""
    spec = files.read_json(rank_dir.spec)
    removed: list[str] = []
    left: list[str] = []
    for engine in ENGINES:
        if spec is None or not _is_installed(engine):
            continue
        try:
            gone, there = _sweep_engine(engine, rank_dir, spec)
        except EngineError as error:
            left.append(f"{engine}: {error}")
        else:
            removed += gone
            left += there
    return removed, left


def present(rank_dir: RankDir) -> list[str]:
    """Return the ids of the containers of a rank that are there, and which engine could not be asked."""
    spec = files.read_json(rank_dir.spec)
    found: list[str] = []
    for engine in ENGINES:
        if spec is None or not _is_installed(engine):
            continue
        try:
            found += _ids_of_run(engine, rank_dir, spec)
        except EngineError as error:
            found.append(f"{engine}: {error}")
    return found


def ask(rank_dir: RankDir, command: tuple[str, ...], rest: tuple[str, ...], limit_s: float) -> list[tuple[str, str]]:
    """Run `<engine> <command> <id> <rest>` for each container of a rank; return the ids and what was printed.

    An engine or a call that fails tells nothing.
    """
    spec = files.read_json(rank_dir.spec)
    found: list[tuple[str, str]] = []
    for engine in ENGINES:
        if spec is None or not _is_installed(engine):
            continue
        with contextlib.suppress(EngineError):
            names = _ids_of_run(engine, rank_dir, spec)
            found += [(name, _call([engine, *command, name, *rest], limit_s, may_fail=True)) for name in names]
    return found


def main(rank_path: str) -> int:
    """Do `sweep` for the supervisor and print what came of it (into supervisor.log); 1 if something is left."""
    removed, left = sweep(RankDir(rank_path))
    if removed or left:
        os.write(2, f"containers removed: {removed}, left: {left}\n".encode())
    return 1 if left else 0


def _sweep_engine(engine: str, rank_dir: RankDir, spec: dict[str, Any]) -> tuple[list[str], list[str]]:
    mine = _ids_of_run(engine, rank_dir, spec)
    if not mine:
        return [], []
    problem = ""
    try:
        _call([engine, "rm", "-f", *mine], _REMOVE_S)
    except EngineError as error:
        problem = f" ({error})"
    # What counts is what is there now, not what the call said.
    there = set(_ids_of_run(engine, rank_dir, spec))
    return [name for name in mine if name not in there], [name + problem for name in mine if name in there]


def _ids_of_run(engine: str, rank_dir: RankDir, spec: dict[str, Any]) -> list[str]:
    try:
        names = _call([engine, "ps", "-aq", "--no-trunc"], _LIST_S).split()
    except EngineError as error:
        if any(text in str(error).lower() for text in _NOBODY_THERE):
            return []
        raise
    if not names:
        return []
    # One that was removed meanwhile makes the call fail; the others are described all the same.
    text = _call([engine, "inspect", "--type", "container", *names], _LIST_S, may_fail=True)
    try:
        described = json.loads(text or "[]")
    except ValueError as error:
        message = f"inspect gave no JSON: {text[:200]!r}"
        raise EngineError(message) from error
    return [str(one["Id"]) for one in described if belongs(one, rank_dir, spec)]


def belongs(container: dict[str, Any], rank_dir: RankDir, spec: dict[str, Any]) -> bool:
    """Say whether a container (as `inspect` describes it) was started by this rank.

    The run id in its environment decides if there is one. Otherwise it is one that mounts the run directory, or
    something in it. With --in-place that is the checkout, which other containers may mount too: then it must also have
    been made since the run began.
    """
    environment = set((container.get("Config") or {}).get("Env") or [])
    if any(line.startswith(RUN_ID_VARIABLE + "=") for line in environment):
        marks = {f"{RUN_ID_VARIABLE}={spec['run_id']}", f"{RANK_VARIABLE}={spec['node_rank']}"}
        return marks <= environment
    sources = _mount_sources(container)
    if any(_is_below(source, rank_dir.path) for source in sources):
        return True
    return (
        bool(spec["in_place"])
        and any(os.path.realpath(source) == os.path.realpath(spec["work"]) for source in sources)
        and created_s(str(container.get("Created", ""))) >= spec["created_at_s"]
    )


def created_s(text: str) -> float:
    """Return a moment like 2026-01-31T12:00:00.123456789+02:00 in seconds since 1970, 0 if it is not one."""
    match = _MOMENT.match(text)
    if match is None:
        return 0.0
    moment, fraction, sign, hours, minutes = match.groups()
    seconds = calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%S")) + float("0" + (fraction or ""))
    offset = int(hours or 0) * 3600 + int(minutes or 0) * 60
    return seconds + (offset if sign == "-" else -offset)


def _mount_sources(container: dict[str, Any]) -> list[str]:
    binds = (container.get("HostConfig") or {}).get("Binds") or []
    mounts = container.get("Mounts") or []
    return [str(bind).split(":", 1)[0] for bind in binds] + [str(mount.get("Source") or "") for mount in mounts]


def _is_below(path: str, directory: str) -> bool:
    real = os.path.realpath(directory)
    return any(p == real or p.startswith(real + os.sep) for p in (os.path.realpath(path), path) if os.path.isabs(p))


def _is_installed(program: str) -> bool:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)


def _call(arguments: list[str], limit_s: float, *, may_fail: bool = False) -> str:
    """Run a program and return what it printed; raises `EngineError` when it fails or is not done in `limit_s`."""
    what = " ".join(arguments[:2])
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        message = f"{what}: {error.strerror}"
        raise EngineError(message) from error
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        _kill_session(process)
        message = f"{what} gave no answer in {limit_s:.0f} s"
        raise EngineError(message) from error
    if process.returncode != 0 and not may_fail:
        message = f"{what} failed: {errors.decode('utf-8', 'replace').strip()[:300]}"
        raise EngineError(message)
    return output.decode("utf-8", "replace")


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a program with its children; not waiting for its output, which a child may hold open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)
