# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of a clone: ``python launcher.py --model TAG --nodes a,b``."""

import sys

if __name__ == "__main__":
    try:
        from madlaunch.cli import script

        script()
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"error: the Python module {error.name!r} is missing in {sys.executable}: "
            "pip install -r requirements.txt (or run .venv/bin/python launcher.py)\n"
        )
        raise SystemExit(5) from None
