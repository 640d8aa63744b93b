# SPDX-License-Identifier: GPL-3.0-or-later
"""On which machine, with which versions, from which commit a benchmark was run."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.cluster.options import REPOSITORY

_TIMEOUT_S = 10.0
_VERSIONS = {
    "openssh": ["ssh", "-V"],
    "clush": ["clush", "--version"],
    "pdsh": ["pdsh", "-V"],
    "mpirun": ["mpirun", "--version"],
}


def describe_machine() -> dict[str, Any]:
    """Return it in JSON types; a program that is missing has an empty version."""
    return {
        "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu_model": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "ansible_core": metadata.version("ansible-core"),
        **{name: _first_line(argv) for name, argv in _VERSIONS.items()},
    }


def _commit() -> str:
    """Return the commit of the clone, with a mark when files differ from it."""
    return _first_line(["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12"])


def _first_line(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stdout + done.stderr).splitlines()), "")


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return platform.machine()
