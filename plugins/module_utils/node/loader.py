# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the package `node` of the sources that came over the wire, calls one entry, prints one framed answer.

It is the first module of every document, and the only one that the bootstrap line runs itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from types import ModuleType
from typing import Any

PACKAGE = "node"
_TRACE_CHARS = 4000


def run(document: dict[str, Any]) -> None:
    """Do what the document asks for. Everything else that this process prints goes to standard error."""
    # Inherited as ignored, it would have the kernel throw away the exit codes of all children.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    answer_handle = os.dup(1)
    os.dup2(2, 1)
    answer = _answer(document)
    token = document["token"]
    _write(answer_handle, f"{token}{json.dumps(answer)}{token}\n".encode("ascii"))


def load(modules: list[list[str]]) -> None:
    """Make the package and its modules, in the order given, which is the order in which they import each other."""
    package = ModuleType(PACKAGE)
    package.__path__ = []
    # `start` writes the sources of the supervisor from here.
    package.__sources__ = dict(modules)  # type: ignore[attr-defined]
    sys.modules[PACKAGE] = package
    for name, source in modules:
        module = ModuleType(f"{PACKAGE}.{name}")
        module.__package__ = PACKAGE
        sys.modules[module.__name__] = module
        code = compile(source, f"<{PACKAGE}/{name}.py>", "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - the collection's own source, see _node_call.py
        setattr(package, name, module)


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    try:
        load(document["modules"])
        name, function = document["entry"].split(":")
        entry = getattr(sys.modules[f"{PACKAGE}.{name}"], function)
        return {"ok": entry(document["args"])}
    except Exception as error:  # noqa: BLE001 - the outermost door: whatever happened must come back as an answer
        return {"error": _described(error)}


def _described(error: Exception) -> dict[str, str]:
    errors = sys.modules.get(f"{PACKAGE}.errors")
    if errors is not None and isinstance(error, errors.NodeError):
        return {"message": error.message, "hint": error.hint}
    trace = traceback.format_exc()[-_TRACE_CHARS:]
    message = f"the node program failed: {type(error).__name__}: {error}"
    hint = "this is a fault of madlaunch; please report it with this trace\n" + trace
    return {"message": message, "hint": hint, "fault": "unforeseen"}


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
