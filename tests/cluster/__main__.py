# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.cluster up|down|status`: nodes to try the launcher on."""

from __future__ import annotations

import sys

from tests.cluster.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
