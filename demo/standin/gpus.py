# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of this host, or of what plays them."""

from __future__ import annotations

import shutil

from standin.console import sh

ARCHITECTURE = "gfx942"
PRODUCT = "AMD Instinct MI300X"
HIP_VERSION = "6.3"
_COUNTS = {
    "amd-smi": "amd-smi list --csv | tail -n +3 | wc -l",
    "rocm-smi": "rocm-smi --showid --csv | tail -n +2 | wc -l",
}


class NoGpuError(RuntimeError):
    """No tool is there that could count GPUs."""


def count() -> int:
    """Return the number of GPUs that amd-smi, else rocm-smi, lists.

    Raises:
        NoGpuError: Neither is on PATH.
    """
    for tool, command in _COUNTS.items():
        if shutil.which(tool):
            return int(sh(command))
    message = "Unable to determine gpu vendor."
    raise NoGpuError(message)


def device_argument(requested: str, devices: str | None, system: int) -> tuple[str, int]:
    """Return the `docker run` words for GPUs and how many they are.

    Args:
        requested: Number of GPUs, "-1" for all that the context offers.
        devices: The context's GPUs, such as "0-7" or "0,2".
        system: Number of GPUs of the host.

    Raises:
        RuntimeError: More than there are.
        AttributeError: The host has none (a slip of the real tool, kept).
    """
    offered = sorted(gpu for part in devices.split(",") for gpu in _range(part))  # type: ignore[union-attr]
    if requested == "-1":
        print(f"NGPUS requested is ALL ({','.join(map(str, offered))}).")
    number = len(offered) if requested == "-1" else int(requested)
    print(f"NGPUS requested is {number} out of {system}")
    if number > system or number > len(offered):
        message = f"Too many gpus requested({number}). System has {system} gpus. Context has {len(offered)} gpus."
        raise RuntimeError(message)
    words = "--device=/dev/kfd " + "".join(f"--device=/dev/dri/renderD{render_node(gpu)} " for gpu in offered[:number])
    print(f"GPU arguments: {words}")
    return words, number


def render_node(gpu: int) -> int:
    """Return the minor number of a GPU's render node, as eight GPUs of one host usually have them."""
    return 128 + 8 * gpu


def _range(part: str) -> list[int]:
    first, dash, last = part.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(first)]
