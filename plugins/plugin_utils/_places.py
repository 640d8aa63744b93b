# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of a run lie on the control node.

Private to the collection.
"""

from __future__ import annotations

import os
from pathlib import Path


def runs_dir(given: str) -> Path:
    """Return the directory below which each run has its own (XDG base directories if none is given)."""
    if given:
        return Path(given).expanduser()
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "madlaunch" / "runs"


def log_dir(given: str, base: str, run_id: str) -> Path:
    """Return the directory of one run: the one that was given, or that of its id below `base`."""
    return Path(given).expanduser() if given else runs_dir(base) / run_id
