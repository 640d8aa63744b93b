# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a rank: every follow poll renews it, and the supervisor ends the rank when it has run out.

The file holds the moment of the renewal on CLOCK_BOOTTIME, which no change of the wall clock moves, and the terms (how
many seconds it is good for, 0 for ever). It always has the same size and is overwritten in place, so that a full disk
does not end a run.
"""

from __future__ import annotations

import os
import time

_FORMAT = "%020.3f %010.3f\n"
_SIZE_BYTES = 32


def now_s() -> float:
    """Return the seconds since this host was booted, sleep included; nobody can set this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def renew(path: str, lease_s: float) -> None:
    """Say that somebody is following now, and for how many seconds that is good (0: for ever)."""
    _write(path, now_s(), lease_s)


def prepare(path: str, lease_s: float) -> None:
    """Make the file, with terms and without any renewal: nobody has followed yet, and `begun` is False."""
    _write(path, 0.0, lease_s)


def hold(path: str, lease_s: float) -> None:
    """Say that the control node is there, but that the rank is not to begin yet; see `held_s`."""
    _write(path, -now_s(), lease_s)


def held_s(path: str) -> float:
    """Return when the control node last said `hold`, 0 when it never did."""
    found = read(path)
    return -found[0] if found is not None and found[0] < 0 else 0.0


def begun(path: str) -> bool:
    """Say whether somebody has followed since `prepare`; False when the file cannot be read."""
    found = read(path)
    return found is not None and found[0] > 0


def _write(path: str, renewed_s: float, lease_s: float) -> None:
    data = (_FORMAT % (renewed_s, lease_s)).encode("ascii")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, data)
    finally:
        os.close(handle)


def read(path: str) -> tuple[float, float] | None:
    """Return the moment of the last renewal and the terms, both in seconds; None if the file cannot be read."""
    try:
        with open(path, encoding="ascii") as stream:
            renewed, terms = stream.read(_SIZE_BYTES).split()
        return float(renewed), float(terms)
    except (OSError, ValueError):
        return None
