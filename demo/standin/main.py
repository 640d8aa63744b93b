# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose which madengine to be."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from standin import v1_cli, v2_cli
from standin.errors import EXIT_UNSUPPORTED, UnsupportedError

_DEFAULT_VERSION = "2"


def main(argv: list[str]) -> int:
    """Run the version that the name, then MADENGINE_STANDIN, asks for. Returns the exit code."""
    version = chosen_version(Path(argv[0]).name, os.environ.get("MADENGINE_STANDIN", ""))
    try:
        if version == "1":
            return v1_cli.main(argv[1:])
        if version == "2":
            return v2_cli.main(argv[1:])
    except UnsupportedError as error:
        print(f"madengine stand-in: {error}", file=sys.stderr)
        return EXIT_UNSUPPORTED
    print(f"madengine stand-in: MADENGINE_STANDIN is {version!r}, expected 1 or 2", file=sys.stderr)
    return EXIT_UNSUPPORTED


def chosen_version(program: str, wanted: str) -> str:
    """Return the major version: the digit at the end of the program's name, else the variable's value, else 2."""
    named = re.search(r"[12]$", program)
    return named.group() if named else wanted or _DEFAULT_VERSION
