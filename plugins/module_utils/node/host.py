# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host this is, and whether it was started anew. A home may be shared, so files alone do not tell."""

from __future__ import annotations

import os
from typing import Dict

Machine = Dict[str, str]


def hostname() -> str:
    """Return the name that the kernel has for this host (of this UTS namespace)."""
    return os.uname().nodename


def boot_id() -> str:
    """Return the id that the kernel made up at this boot, '' where /proc does not have it."""
    return _first_line("/proc/sys/kernel/random/boot_id")


def network_id() -> str:
    """Return what names the network stack of this process: one machine may have several, one for each container."""
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:
        return ""


def machine() -> Machine:
    """Return {"boot_id", "network"}: two ranks for which both are the same share one machine and its addresses."""
    return {"boot_id": boot_id(), "network": network_id()}


def machine_id() -> str:
    """Return the id of this installation (machine-id(5)), '' where there is none."""
    return _first_line("/etc/machine-id")


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.readline().strip()
    except OSError:
        return ""
