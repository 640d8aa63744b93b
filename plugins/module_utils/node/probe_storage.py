# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of a host: the shared data path, the checkout of the models, the launcher's own state."""

from __future__ import annotations

import hashlib
import os
import time

from .paths import from_home
from .probe_mounts import mount_of

# Counting a checkout stops here; the size is then unknown. It is only compared with the free space.
_SIZE_LIMIT_S = 3.0
_NOT_COPIED = {".git", "__pycache__", "venv", ".venv"}


def nonce_name(run_id: str, nonce: str) -> str:
    """Return the name of the file by which rank 0 marks the shared path for one launch."""
    return f".madlaunch-{run_id}-{hashlib.sha256(nonce.encode()).hexdigest()[:8]}"


def shared(path: str) -> dict[str, object]:
    """Return the facts of the shared data path (see `probe`); may block for good where a server does not answer."""
    facts = no_shared(path)
    try:
        facts["is_dir"] = os.path.isdir(path)
        os.stat(path)  # for its error, and so that an automounter mounts it
    except FileNotFoundError:
        return facts
    except OSError as error:
        facts["error"] = error.strerror
        return facts
    real = os.path.realpath(path)
    mount = mount_of(real)
    usage = os.statvfs(real)
    number = os.stat(real).st_dev
    facts.update(
        exists=True,
        real_path=real,
        mount=mount,
        is_mount=_is_mount(real, mount),
        fsid=f"{usage.f_fsid:x}" if usage.f_fsid else None,
        device=f"{os.major(number)}:{os.minor(number)}",
        writable=os.access(real, os.W_OK | os.X_OK),
        free_bytes=usage.f_bavail * usage.f_frsize,
    )
    return facts


def no_shared(path: str) -> dict[str, object]:
    """Return the facts of a shared path of which nothing is known."""
    unknown = dict.fromkeys(("mount", "fsid", "device", "nonce_path", "error"))
    no = dict.fromkeys(("exists", "is_dir", "is_mount", "writable", "nonce_written"), False)
    return {"path": path, "real_path": path, **no, **unknown, "free_bytes": 0}


def write_nonce(path: str, run_id: str, nonce: str) -> dict[str, object]:
    """Mark the shared path; return {"nonce_path", "nonce_written", "error"}. All users may read the file."""
    name = os.path.join(path, nonce_name(run_id, nonce))
    refused = {"nonce_path": None, "nonce_written": False}
    try:
        descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except OSError as error:
        return {**refused, "error": error.strerror}
    try:
        # Closing sends it to a file server; only then other hosts see it, and only then an error may show.
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, 0o644)
            file.write(nonce)
    except OSError as error:
        os.unlink(name)
        return {**refused, "error": error.strerror}
    return {"nonce_path": name, "nonce_written": True, "error": None}


def state(path: str) -> dict[str, object]:
    """Return the facts of the state directory, or of the nearest folder above it that exists."""
    existing = path
    while not os.path.exists(existing) and existing != os.path.dirname(existing):
        existing = os.path.dirname(existing)
    usage = os.statvfs(existing)
    writable = os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK)
    free_bytes = usage.f_bavail * usage.f_frsize
    # Some file systems (btrfs) have no fixed number of inodes and say 0 of 0.
    free_inodes = usage.f_favail if usage.f_files else -1
    error = None if writable else f"{existing} is not a folder in which this login may write"
    return {"path": path, "writable": writable, "free_bytes": free_bytes, "free_inodes": free_inodes, "error": error}


def mad_dir(path: str) -> dict[str, object]:
    """Return the facts of the checkout of the models."""
    models = os.path.join(path, "models.json")
    facts: dict[str, object] = {"path": path, "exists": os.path.isdir(path), "error": None, "size_bytes": None}
    facts["models_json"] = os.path.isfile(models)
    facts["scripts"] = os.path.isdir(os.path.join(path, "scripts"))
    facts["readable"] = os.access(path, os.R_OK | os.X_OK) and (not facts["models_json"] or os.access(models, os.R_OK))
    if facts["exists"] and facts["readable"]:
        facts["size_bytes"] = _size_bytes(path)
    return facts


def _is_mount(path: str, mount: dict[str, object] | None) -> bool:
    """Tell whether the path is on a mount of its own: not the one of `/`, and not merely the one of the home."""
    if mount is None or mount["point"] == "/":
        return False
    if mount["point"] == path:
        return True
    of_home = mount_of(os.path.realpath(from_home("~")))
    return of_home is None or of_home["point"] != mount["point"]


def _size_bytes(path: str) -> int | None:
    """Return the bytes that a copy for a run would take, None if there are too many files to count in time."""
    deadline = time.monotonic() + _SIZE_LIMIT_S
    total = 0
    for folder, names, files in os.walk(path):
        names[:] = [name for name in names if name not in _NOT_COPIED]
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
        if time.monotonic() > deadline:
            return None
    return total
