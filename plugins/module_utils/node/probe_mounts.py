# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which mount a path lies (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html)."""

from __future__ import annotations

import re

_OCTAL = re.compile(r"\\(011|012|040|043|134)")


def mount_of(path: str, table: str = "/proc/self/mountinfo") -> dict[str, object] | None:
    """Return {"point", "source", "fstype", "root", "options", "device", "read_only"} of the mount that holds `path`.

    The path must have its links resolved. Of several mounts on one point the last one is seen, as by the kernel.
    """
    with open(table, encoding="utf-8", errors="replace") as file:
        mounts = [_mount(line) for line in file]
    holding = [mount for mount in mounts if _holds(str(mount["point"]), path)]
    # max() returns the first of equals, so the list is turned round.
    return max(reversed(holding), key=lambda mount: len(str(mount["point"])), default=None)


def _mount(line: str) -> dict[str, object]:
    left, _dash, right = line.partition(" - ")
    fields = left.split()
    fstype, source, super_options = (*right.split(), "", "", "")[:3]
    options = list(dict.fromkeys(fields[5].split(",") + super_options.split(",")))
    return {
        "point": _plain(fields[4]),
        "source": _plain(source),
        "fstype": fstype,
        "root": _plain(fields[3]),
        "options": ",".join(options),
        "device": fields[2],
        "read_only": "ro" in options,
    }


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _plain(text: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)
