# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the probes ask /proc beyond `processes`. What is gone, or may not be looked into, gives None or nothing."""

from __future__ import annotations

import os
import pwd

from . import processes


def process_ids() -> list[int]:
    """Return the ids of all processes that this one can see."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def age_s(process: processes.Process) -> float:
    """Return the seconds since the process was started."""
    with open("/proc/uptime", encoding="ascii") as file:
        uptime_s = float(file.read().split()[0])
    return max(0.0, uptime_s - process.start_ticks / os.sysconf("SC_CLK_TCK"))


def ancestors(pid: int) -> set[int]:
    """Return `pid` and all its ancestors."""
    found: set[int] = set()
    while pid and pid not in found:
        found.add(pid)
        process = processes.look(pid)
        pid = process.parent if process else 0
    return found


def command(pid: int) -> str:
    """Return the command line of a process in one line without control characters."""
    return "".join(character if character.isprintable() else " " for character in processes.command(pid))


def variables(pid: int) -> dict[str, str]:
    """Return the environment with which a process was started; {} if it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def owner(pid: int) -> int | None:
    """Return the user id of a process."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def user_name(uid: int | None) -> str:
    """Return the name of a user id, the id itself where it has none, '?' where there is no id."""
    if uid is None:
        return "?"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
