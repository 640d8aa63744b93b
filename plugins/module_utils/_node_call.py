# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the control node calls the node program: a shell line, a document for its standard input, an answer.

Pure, private to the collection. Nothing has to be installed on a node: the line finds a Python, and that Python gets
the sources of the node program together with the arguments, as JSON.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

# What `command -v` is asked for, in this order; platform-python is the one that RHEL 8 has in any case.
CANDIDATES = (
    "python3",
    *(f"python3.{minor}" for minor in range(13, 7, -1)),
    "/usr/bin/python3",
    "/usr/local/bin/python3",
    "/usr/libexec/platform-python",
)
OLDEST_PYTHON = (3, 8)
NO_PYTHON_MARK = "MADLAUNCH_NO_PYTHON"
_TOO_OLD = 86
_TAIL_CHARS = 2000

# Python 2 must be able to parse this, or it would not get as far as to say that it is too old. The version is looked
# at before standard input is: the next candidate still needs it. '' in sys.path is the current directory.
_BOOTSTRAP = (
    "import sys; "
    f"sys.version_info < {OLDEST_PYTHON} and sys.exit({_TOO_OLD}); "
    "sys.path[:] = [p for p in sys.path if p]; "
    "import json; "
    "d = json.loads(sys.stdin.buffer.read().decode()); "
    'g = {"__name__": "node.loader"}; '
    'exec(d["modules"][0][1], g); '
    'g["run"](d)'
)

_FIRST = ("loader", "errors")
_RECORD = ("paths", "host", "files", "lease", "processes", "record")
_SUPERVISOR = ("ladder", "kernel", "containers", "dump", "supervisor")
_EVIDENCE = ("log_markers", "evidence")
_PROBE = (
    *("paths", "host", "files", "processes", "locks", "hello", "interface_names"),
    *("probe_tasks", "probe_programs", "probe_procs", "probe_mounts", "probe_storage", "probe_port"),
    *("probe_network", "listener_record", "tend", "listener"),
)
# What each entry needs, in the order in which the modules import each other. The loader is always the first.
MODULES: dict[str, list[str]] = {
    "probe": [*_FIRST, *_PROBE, "probe_gpus", "probe_leftovers", "probe_madengine", "probe"],
    "confirm": [*_FIRST, *_PROBE, "reach", "ways", "confirm"],
    "tend": [*_FIRST, "processes", "tend"],
    "start": [*_FIRST, *_RECORD, *_EVIDENCE, *_SUPERVISOR, "locks", "checkout", "listener_record", "start"],
    "follow": [*_FIRST, *_RECORD, *_EVIDENCE, "containers", "verify", "follow"],
    "verify": [*_FIRST, *_RECORD, "containers", "verify"],
    "stop": [*_FIRST, *_RECORD, "ladder", "containers", "stop"],
    "status": [*_FIRST, *_RECORD, "status"],
}


class NodeCallError(Exception):
    """A call that gave no result.

    `kind` is "no_python" (the host has none that is new enough), "connection" (Ansible could not run it: a password
    of sudo), "bad_answer" (something else than the answer came back; `message` has the end of it), "fault" (the node
    program failed unforeseen: no memory, an error of a file server) or "node" (the node program refused; `message`
    and `hint` are its own). Only the last is a final word.
    """

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint


def shell_line(interpreter: str) -> str:
    """Return the line for `sh -c` that runs the bootstrap with `interpreter`, or with the best Python that it finds.

    It is one line and has no '!', so that it survives a login shell of the csh family. A candidate that is missing,
    broken or too old leads to the next one.
    """
    candidates = " ".join(shlex.quote(name) for name in ([interpreter] if interpreter else CANDIDATES))
    bootstrap = shlex.quote(_BOOTSTRAP)
    return (
        'PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"; export PATH; '
        f"for p in {candidates}; do "
        'command -v "$p" >/dev/null 2>&1 || continue; '
        f'"$p" -E -s -S -c {bootstrap}; r=$?; '
        # 126 and 127: what was found cannot be run (a pyenv shim without its Python, a missing library).
        f'case "$r" in {_TOO_OLD}|126|127) ;; *) exit "$r" ;; esac; '
        f"done; echo {NO_PYTHON_MARK}; exit 127"
    )


def document(entry: str, args: dict[str, Any], modules: list[tuple[str, str]], token: str) -> str:
    """Return the standard input of a call, ASCII only.

    Args:
        entry: a key of `MODULES`.
        args: what the entry gets; JSON types.
        modules: (name, source) of the modules in `MODULES[entry]`, in that order.
        token: frames the answer; must not occur in anything else that the host prints.

    """
    whole = {"modules": [list(module) for module in modules], "entry": f"{entry}:main", "args": args, "token": token}
    return json.dumps(whole)


def parse(stdout: str, token: str) -> dict[str, Any]:
    """Return what the entry answered, wherever it is in the output of the call; raises `NodeCallError`."""
    parts = stdout.split(token)
    # Noise, answer, noise: profile scripts, banners and warnings may stand before and after.
    if len(parts) != 3:  # noqa: PLR2004
        raise _no_answer(stdout)
    try:
        answer = json.loads(parts[1])
    except ValueError as error:
        raise _no_answer(stdout) from error
    if "error" in answer:
        kind = "fault" if answer["error"].get("fault") else "node"
        raise NodeCallError(kind, answer["error"]["message"], answer["error"]["hint"])
    return dict(answer["ok"])


def _no_answer(stdout: str) -> NodeCallError:
    if NO_PYTHON_MARK in stdout:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        hint = "install one, or name it with ansible_python_interpreter in the inventory"
        return NodeCallError("no_python", f"the host has no Python {oldest} or later that can be run", hint)
    came = stdout[-_TAIL_CHARS:].strip() or "nothing"
    hint = "try the login by hand: ssh HOST python3 --version"
    return NodeCallError("bad_answer", f"the host did not give the answer that was expected, but: {came}", hint)
