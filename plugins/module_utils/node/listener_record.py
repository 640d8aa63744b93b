# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the listener of a preflight names itself, so that what comes later can end it.

A preflight that was cut off cannot end its listener, and nothing on the host tells it from one whose hosts are slow. So
the latest comer has the master port: whoever starts a launch again need not wait, and of two launches at once the
earlier one is refused (see `confirm`).
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from .files import read_json
from .host import hostname
from .paths import runs_dir
from .processes import Process, is_running, send

_KILL_WAIT_S = 2.0


def path_of(state_dir: str, port: int) -> str:
    """Return the file in which this login's listener on `port` names itself as long as it lives."""
    # The state directory may be in a home directory that several hosts share.
    name = f"preflight-listener-{port}@{hostname()}.json"
    return os.path.join(os.path.dirname(runs_dir(state_dir)), name)


def recorded(path: str, port: int) -> dict[str, Any] | None:
    """Return {"pid", "start_ticks", "port", "run_id"} of this login's listener on `port` if it lives."""
    try:
        left = read_json(path)
    except OSError:
        return None
    return left if left and left.get("port") == port and is_running(left) else None


def end_other(path: str, port: int, run_id: str) -> bool:
    """End the listener of another run on `port`; return whether there was one, and it is gone."""
    left = recorded(path, port)
    return left is not None and left.get("run_id") != run_id and end_process(left)


def end_process(identity: dict[str, int]) -> bool:
    """End this very listener, first politely; return whether it is gone."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        if is_running(identity):
            send(Process(identity["pid"], identity["start_ticks"]), signum)
        deadline = time.monotonic() + _KILL_WAIT_S
        while is_running(identity) and time.monotonic() < deadline:
            time.sleep(0.02)
    return not is_running(identity)
