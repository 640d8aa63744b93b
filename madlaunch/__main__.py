# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m madlaunch`` is the same command as ``launcher.py``."""

from __future__ import annotations

from madlaunch.cli import script

if __name__ == "__main__":
    script()
