# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many GPUs a host has: from the kernel where it tells, else from the vendor's tools."""

from __future__ import annotations

import os
import re
from typing import Callable

from .probe_programs import find, run

KFD_NODES = "/sys/class/kfd/kfd/topology/nodes"
NVIDIA_GPUS = "/proc/driver/nvidia/gpus"
_TIMEOUT_S = 10.0
# What one GPU looks like in the output of each tool; these are the commands with which madengine counts.
_TOOLS = (
    (["amd-smi", "list", "--csv"], re.compile(r"^\d+,", re.MULTILINE)),
    (["rocm-smi", "--showid", "--csv"], re.compile(r"^card\d+,", re.MULTILINE)),
    (["nvidia-smi", "-L"], re.compile(r"^GPU \d+:", re.MULTILINE)),
)


def gpus(kfd_nodes: str = KFD_NODES, nvidia_gpus: str = NVIDIA_GPUS) -> dict[str, object]:
    """Return {"count": int or None when nothing could tell, "source": who told, or what was tried}.

    The kernel comes first: it needs no process, and no tool on PATH. The first source that counts any GPU is believed.
    """
    sources: list[tuple[str, Callable[[], int | None]]] = [
        (kfd_nodes, lambda: _kfd(kfd_nodes)),
        (nvidia_gpus, lambda: _folders(nvidia_gpus)),
    ]
    sources += [(" ".join(argv), lambda argv=argv, line=line: _tool(argv, line)) for argv, line in _TOOLS]  # type: ignore[misc]
    counted: int | None = None
    tried = []
    for name, count in sources:
        number = count()
        if number:
            return {"count": number, "source": name}
        if number == 0:
            counted = 0
            tried.append(name)
    return {"count": counted, "source": ", ".join(tried)}


def _kfd(folder: str) -> int | None:
    """Count the nodes with compute units; CPUs are nodes of the topology too, with a simd_count of 0."""
    if not os.path.isdir(folder):
        return None
    return sum(_simd_count(os.path.join(folder, node, "properties")) > 0 for node in os.listdir(folder))


def _simd_count(path: str) -> int:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            words = [line.split() for line in file]
    except OSError:
        # The kernel refuses the properties of a GPU that the login may not use.
        return 0
    return next((int(line[1]) for line in words if len(line) == 2 and line[0] == "simd_count"), 0)  # noqa: PLR2004 - name, value


def _folders(folder: str) -> int | None:
    return len(os.listdir(folder)) if os.path.isdir(folder) else None


def _tool(argv: list[str], line: re.Pattern[str]) -> int | None:
    path = find(argv[0])
    if path is None:
        return None
    ran = run([path, *argv[1:]], "/", _TIMEOUT_S)
    return None if ran.rc is None else len(line.findall(ran.stdout))
