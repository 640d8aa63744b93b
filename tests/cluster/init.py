# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a node: makes the node's world, starts its SSH server, collects orphans, ends with its owner.

Started as `python init.py PLAN` inside new namespaces, it talks with its owner in lines: it writes `born`, reads `go`
(by then the owner has plugged in the network), carries out the plan, writes `ready` or `failed ...`, and stays until
its standard input ends. As the PID 1 of the node, its end is the end of every process there; the kernel sees to that.

PLAN is a JSON file: {"setup": [argv, ...], "server": argv or [], "pid_file": path}.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SERVER_TIMEOUT_S = 10.0


def main(plan_path: str) -> int:
    """Be the node's init; the return value is only read when something failed."""
    plan = json.loads(Path(plan_path).read_text())
    _say("born")
    if os.read(0, 3) != b"go\n":
        return 1
    try:
        for argv in plan["setup"]:
            _do(argv)
        os.chdir("/")
        if plan["server"]:
            _do(plan["server"])
            _wait_for(Path(plan["pid_file"]))
    except (OSError, RuntimeError) as error:
        _say(f"failed {error}")
        return 1
    signal.signal(signal.SIGCHLD, _reap)
    _reap(signal.SIGCHLD, None)
    _say("ready")
    while os.read(0, 4096):
        pass
    return 0


def _do(argv: list[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        message = f"{argv} ended with {done.returncode}: {done.stdout.decode(errors='replace').strip()}"
        raise RuntimeError(" ".join(message.split()))


def _wait_for(path: Path) -> None:
    """Wait for the server's pid file, which it writes when it listens."""
    deadline = time.monotonic() + _SERVER_TIMEOUT_S
    while not path.exists():
        if time.monotonic() > deadline:
            message = f"the SSH server wrote no {path} within {_SERVER_TIMEOUT_S} s"
            raise RuntimeError(message)
        time.sleep(0.002)


def _reap(_number: int, _frame: FrameType | None) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
