# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the processes of a rank are, written into its log before they are ended: so that a hang can be explained.

Of each Python process the stack: by py-spy where the host has it, else by SIGUSR1 if the process handles that signal
(to one that does not it would be the end), else what the kernel tells. The same inside of the containers of the rank,
whose processes belong to another user. Of other processes one line each. The supervisor runs this as a program of its
own and kills it after ten seconds.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from typing import Any

from . import containers, files, processes
from .paths import RankDir

# Within the ten seconds of the supervisor, so that what was found out is written.
_LIMIT_S = 8.0
_PY_SPY_S = 4.0
_CONTAINERS_S = 2.0
# The handler runs when the interpreter gets to it; faulthandler's runs at once.
_HANDLER_S = 0.5
_MAX_THREADS = 64
_MAX_BYTES = 64 * 1024
_PYTHON = re.compile(r"python(\d+(\.\d+)?)?")
_PROGRAM_FOLDERS = ("/usr/local/bin", "/usr/bin", "~/.local/bin", "/opt/conda/bin", "/opt/venv/bin")
# For ps(1), which the engine runs on the host: it shows also what has no Python.
_TABLE = ("-eo", "pid,ppid,stat,wchan:32,args")
# The same as `_write_python`, for the shell of an image that may have little else. SIGUSR1 is number 10: bit 9 of the
# mask, in the third hexadecimal digit from the end.
IN_CONTAINER = r"""
for d in /proc/[0-9]*; do
  case "$(readlink "$d/exe" 2>/dev/null)" in */python*) ;; *) continue ;; esac
  p=${d#/proc/}
  echo "process $p [$(tr '\0' ' ' <"$d/cmdline")]"
  if command -v py-spy >/dev/null 2>&1 && py-spy dump --pid "$p" 2>/dev/null; then continue; fi
  case "$(grep SigCgt "$d/status")" in *[2367abef]??) kill -USR1 "$p" && echo "  handles SIGUSR1" ;; esac
  for t in "$d"/task/*; do
    echo "  thread ${t##*/}: $(cat "$t/comm"), waits in $(cat "$t/wchan")"
    cat "$t/stack" 2>/dev/null
  done
done 2>/dev/null | head -n 2000
"""


def main(rank_path: str) -> int:
    """Write the dump of the rank whose run directory is `rank_path` into its log."""
    rank_dir = RankDir(rank_path)
    handle = os.open(rank_dir.log, os.O_WRONLY | os.O_APPEND)
    try:
        Dump(rank_dir, handle).run()
    finally:
        os.close(handle)
    return 0


class Dump:
    """One dump: all processes of the rank, as far as the time goes."""

    def __init__(self, rank_dir: RankDir, log: int) -> None:
        self._dir = rank_dir
        self._log = log
        self._spec: dict[str, Any] = files.read_json(rank_dir.spec) or {}
        self._deadline_s = time.monotonic() + _LIMIT_S
        self._py_spy = _find_program("py-spy")

    def run(self) -> None:
        """Write every process; Python processes first, since they tell the most."""
        found = self._processes()
        request = files.read_json(self._dir.stop_request) or {}
        why = f" ({request['reason']})" if request.get("reason") else ""
        self._write(f"where the {len(found)} processes of rank {self._spec['node_rank']} are, before the stop{why}:")
        pythons = [process for process in found if is_python(process.pid)]
        for process in pythons:
            self._write_python(process)
        for process in found:
            if process not in pythons:
                self._write(f"{_named(process)}: {_where(f'/proc/{process.pid}')}")
        self._write_containers()
        self._write("end of the stacks")

    def _processes(self) -> list[processes.Process]:
        """Return the processes of the rank, without the supervisor."""
        status = files.read_json(self._dir.status) or {}
        roots = processes.from_json(status.get("supervisor"))
        found = processes.of_run(self._spec["run_id"], self._spec["node_rank"], roots)
        return [process for process in found if process not in roots]

    def _write_python(self, process: processes.Process) -> None:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            self._write(f"{_named(process)}: {_where(f'/proc/{process.pid}')} (no time for its stack)")
            return
        stack, problem = self._stack_of_py_spy(process, min(left_s, _PY_SPY_S))
        if stack:
            self._write(f"{_named(process)}, by py-spy:", stack)
            return
        if handles(process.pid, signal.SIGUSR1):
            # A handler in Python does not run while the process waits in the kernel: what that tells is written too.
            self._write(f"{_named(process)}, which handles SIGUSR1{problem}:", kernel_view(process.pid))
            if processes.send(process, signal.SIGUSR1):
                time.sleep(_HANDLER_S)
            return
        self._write(f"{_named(process)}, by the kernel{problem}:", kernel_view(process.pid))

    def _stack_of_py_spy(self, process: processes.Process, limit_s: float) -> tuple[str, str]:
        """Return the stack, or '' and why there is none."""
        if self._py_spy is None:
            return "", ""
        try:
            done = subprocess.run(
                [self._py_spy, "dump", "--pid", str(process.pid)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "", f" (py-spy gave no answer in {limit_s:.0f} s)"
        except OSError as error:
            return "", f" (py-spy: {error.strerror})"
        text = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode == 0 and text:
            return text, ""
        said = done.stderr.decode("utf-8", "replace").split("\n", 1)[0].strip()
        return "", f" (py-spy failed: {said or done.returncode})"

    def _write_containers(self) -> None:
        """Write what runs in the containers of the rank, which only the engine may look into."""
        asked = ((("top",), _TABLE, "processes in"), (("exec",), ("sh", "-c", IN_CONTAINER), "Python in"))
        for command, rest, what in asked:
            left_s = self._deadline_s - time.monotonic()
            told = containers.ask(self._dir, command, rest, min(left_s, _CONTAINERS_S)) if left_s > 0 else []
            for name, text in told:
                self._write(f"{what} container {name[:12]}:", text)
            if told and command == ("exec",):
                time.sleep(_HANDLER_S)

    def _write(self, line: str, more: str = "") -> None:
        """Append a line that says whose it is, and the indented lines `more`, in one step and on lines of their own."""
        start = "" if _ends_a_line(self._dir.log) else "\n"
        body = "".join(f"\n    {part}" for part in more.splitlines())
        data = f"{start}madlaunch: {line}{body}\n".encode("utf-8", "replace")[:_MAX_BYTES]
        # On a full disk the rank is ended without the explanation.
        with contextlib.suppress(OSError):
            os.write(self._log, data if data.endswith(b"\n") else data + b"\n")


def is_python(pid: int) -> bool:
    """Say whether a process runs a Python interpreter, alone or as a library of another program."""
    try:
        if _PYTHON.fullmatch(os.path.basename(os.readlink(f"/proc/{pid}/exe"))):
            return True
    except OSError:
        pass
    return "libpython" in _text(f"/proc/{pid}/maps")


def handles(pid: int, signum: int) -> bool:
    """Say whether a process has a handler for a signal (SigCgt of proc_pid_status(5))."""
    for line in _text(f"/proc/{pid}/status").splitlines():
        name, _colon, value = line.partition(":")
        if name == "SigCgt":
            return bool(int(value, 16) >> (signum - 1) & 1)
    return False


def kernel_view(pid: int) -> str:
    """Return where each thread of a process is, as far as the kernel tells this login."""
    try:
        threads = sorted(os.listdir(f"/proc/{pid}/task"), key=int)
    except OSError:
        return "it is gone"
    lines = []
    for thread in threads[:_MAX_THREADS]:
        folder = f"/proc/{pid}/task/{thread}"
        lines.append(f"thread {thread}: {_where(folder)}")
        # Only root may read it; without, the wait channel has to do.
        lines += [f"  {frame}" for frame in _text(f"{folder}/stack").splitlines()]
    if len(threads) > _MAX_THREADS:
        lines.append(f"and {len(threads) - _MAX_THREADS} threads more")
    return "\n".join(lines)


def _where(folder: str) -> str:
    """Return name, state, wait channel and system call of a process or thread (its folder in /proc) in one line."""
    stat = _text(f"{folder}/stat")
    state = stat[stat.rfind(")") + 2 :][:1] or "?"
    wait_channel = _text(f"{folder}/wchan").strip()
    call = _text(f"{folder}/syscall").split(" ", 1)[0].strip()
    told = [_text(f"{folder}/comm").strip() or "?", f"state {state}"]
    told += [f"waits in {wait_channel}"] if wait_channel not in {"", "0"} else []
    told += [f"system call {call}"] if call.isdigit() else []
    return ", ".join(told)


def _named(process: processes.Process) -> str:
    command = "".join(mark if mark.isprintable() else " " for mark in processes.command(process.pid))
    return f"process {process.pid} [{command}]"


def _find_program(name: str) -> str | None:
    folders = [os.environ.get("PATH", os.defpath), *map(os.path.expanduser, _PROGRAM_FOLDERS)]
    return shutil.which(name, path=os.pathsep.join(folders))


def _ends_a_line(path: str) -> bool:
    return files.tail(path, 1) in {b"", b"\n"}


def _text(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
