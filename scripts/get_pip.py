# SPDX-License-Identifier: GPL-3.0-or-later
"""Put pip into a virtual environment that has none, from the copy that comes with Python.

Takes the arguments of the get-pip program that ansible-test would download, and is used in its place.
"""

from __future__ import annotations

import ensurepip
import os
import runpy
import sys

# Arguments of get-pip that pip itself does not know.
GET_PIP_ONLY = ("--no-setuptools", "--no-wheel")

if __name__ == "__main__":
    ensurepip.bootstrap(default_pip=True)
    # ensurepip turns the configuration of pip off, for the whole process.
    os.environ.pop("PIP_CONFIG_FILE", None)
    sys.argv = ["pip", "install", *(word for word in sys.argv[1:] if word not in GET_PIP_ONLY)]
    runpy.run_module("pip", run_name="__main__")
