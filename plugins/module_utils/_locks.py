# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which locks a rank takes on its host: the master port, and the GPUs that it may use.

Pure, private to the collection. The locks themselves are files on the host (`node/locks.py`).
"""

from __future__ import annotations

import re
from typing import Any

ALL_GPUS = "gpus"
# The variables by which the runtimes of AMD and NVIDIA are told to leave GPUs alone. Where several are set, the first
# is taken: they count in each other's numbers, and too few locks would be worse than one conflict too many.
_VISIBLE = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
_NUMBERS = re.compile(r"[0-9]+(,[0-9]+)*")


def keys(plan: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Return the keys of the locks that a rank of this plan takes on the host that told these facts."""
    return [f"port-{plan['master_port']}", *_gpu_keys(plan.get("container_env") or {}, facts)]


def _gpu_keys(container_env: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    if not (facts.get("gpus") or {}).get("count"):
        return []
    for name in _VISIBLE:
        if name in container_env:
            chosen = str(container_env[name]).replace(" ", "")
            # An id like GPU-1f3c or a range cannot be held against numbers; all GPUs are safe in any case.
            return [f"gpu-{one}" for one in _different(chosen)] if _NUMBERS.fullmatch(chosen) else [ALL_GPUS]
    return [ALL_GPUS]


def _different(numbers: str) -> list[str]:
    return [str(number) for number in sorted({int(one) for one in numbers.split(",")})]


def conflicts(key: str, others: str) -> bool:
    """Say whether one run cannot have the lock `key` while another has `others`."""
    if key == others:
        return True
    return {key[:4], others[:4]} <= {"gpus", "gpu-"} and ALL_GPUS in {key, others}
