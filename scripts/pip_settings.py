# SPDX-License-Identifier: GPL-3.0-or-later
"""Print pip's settings, from all its files and from PIP_* variables, as one configuration file.

ansible-test passes neither the user's configuration nor the environment on to the pip that it runs.
"""

from __future__ import annotations

import subprocess
import sys


def merge(listing: str) -> str:
    """Return the configuration file for what C(pip config list) prints: lines such as C(global.index-url='...').

    Variables (C(:env:.name)) go before files, as they do for pip; settings of single commands are kept apart.
    """
    sections: dict[str, dict[str, str]] = {"global": {}}
    from_environment: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, quoted = line.partition("=")
        section, _, name = key.rpartition(".")
        values = from_environment if section == ":env:" else sections.setdefault(section, {})
        values[name] = quoted.strip("'\"").replace("\\n", " ")
    sections["global"].update(from_environment)
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command = [sys.executable, "-m", "pip", "config", "list"]
    sys.stdout.write(merge(subprocess.run(command, check=True, capture_output=True, text=True).stdout))  # noqa: S603 - fixed arguments
