# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `tend`: tells the listener of a preflight that its control node is still there (see `listener`)."""

from __future__ import annotations

import signal
from typing import Any

from .processes import Process, is_running, send

SIGNAL = signal.SIGUSR2


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Renew the lease of the listener that `pid` and `start_ticks` name; return {"lives"}."""
    identity = {"pid": args["pid"], "start_ticks": args["start_ticks"]}
    return {"lives": is_running(identity) and send(Process(**identity), SIGNAL)}
