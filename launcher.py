# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of a clone: ``python launcher.py --model TAG --nodes a,b``."""

from madlaunch.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
