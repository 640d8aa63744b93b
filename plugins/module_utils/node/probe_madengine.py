# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which madengine a host has, and whether it knows the model."""

from __future__ import annotations

import os
import re
import shutil
import tempfile

from .paths import from_home
from .probe_programs import Ran, find, last_lines, run

_TIMEOUT_S = 20.0
_VERSION = re.compile(r"(?<![\d.])(\d+)\.(\d+)\.(\d+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# Where people install it, to be able to say what --madengine-path should be.
_USUAL_PLACES = ("~/.local/bin", "~/venv/bin", "~/.venv/bin", "~/madengine/venv/bin", "/usr/local/bin", "/opt/venv/bin")


def madengine(program: str, mad_dir: str) -> dict[str, object]:
    """Return {"path", "version", "major", "error", "elsewhere"}; see the facts of `probe`."""
    facts: dict[str, object] = {"path": None, "version": None, "major": None, "error": None, "elsewhere": []}
    path = find(program)
    if path is None:
        facts["error"] = _why_missing(program)
        facts["elsewhere"] = _elsewhere(mad_dir)
        return facts
    facts["path"] = path
    ran = _in_scratch([path, "--version"], {})
    matches = _VERSION.findall(ran.stdout)
    if ran.error:
        facts["error"] = f"{path} --version: {ran.error}"
    elif not matches:
        shown = last_lines(ran.stderr or ran.stdout, 1, 200)
        facts["error"] = f"{path} --version ended with {ran.rc} and named no version; it said: {shown!r}"
    else:
        facts.update(version=".".join(matches[-1]), major=int(matches[-1][0]))
    return facts


def discover(program: str, mad_dir: str, model: str) -> dict[str, object]:
    """Ask `madengine discover` for the model; return {"ran", "rc", "found", "tail"}.

    It runs in a scratch folder of links to the checkout's entries: version 1 writes madengine.log where it runs, and
    nothing may be left in the user's checkout.
    """
    path = find(program)
    if path is None or not os.path.isfile(os.path.join(mad_dir, "models.json")):
        return {"ran": False, "rc": None, "found": False, "tail": ""}
    ran = _in_scratch([path, "discover", "--tags", model], _links(mad_dir))
    output = _ESCAPES.sub("", ran.stdout + "\n" + ran.stderr)
    tail = ran.error or last_lines(output, 6, 800)
    return {"ran": True, "rc": ran.rc, "found": ran.rc == 0, "tail": tail}


def _links(mad_dir: str) -> dict[str, str]:
    """Return name -> target of what a model needs of the checkout."""
    names = [name for name in os.listdir(mad_dir) if not name.startswith(".") and not name.endswith(".log")]
    return {name: os.path.join(mad_dir, name) for name in names}


def _in_scratch(argv: list[str], links: dict[str, str]) -> Ran:
    """Run in an empty folder that holds only `links` and is removed afterwards (the links, not their targets)."""
    scratch = tempfile.mkdtemp(prefix="madlaunch-probe-")
    try:
        for name, target in links.items():
            os.symlink(target, os.path.join(scratch, name))
        return run(argv, scratch, _TIMEOUT_S)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _why_missing(program: str) -> str:
    if "/" not in program:
        return f"no executable file named {program!r} on the PATH of the login"
    path = from_home(program)
    if not os.path.exists(path):
        return f"{path} does not exist"
    return f"{path} is no file that this login may execute"


def _elsewhere(mad_dir: str) -> list[str]:
    """Return where a madengine lies although it was not found."""
    folders = [from_home(place) for place in _USUAL_PLACES]
    folders += [os.path.join(mad_dir, name, "bin") for name in ("venv", ".venv")]
    candidates = [os.path.join(folder, "madengine") for folder in folders]
    return [path for path in candidates if os.path.isfile(path) and os.access(path, os.X_OK)]
