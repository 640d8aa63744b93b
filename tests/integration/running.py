# SPDX-License-Identifier: GPL-3.0-or-later
"""A program on the control side that is watched while it runs, and what a run leaves on its nodes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.processes import RUN_ID, descendants, environment, members, namespace
from tests.integration import launching
from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, read_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.cluster.base import AnyCluster, AnyNode
    from tests.cluster.cluster import Cluster
    from tests.cluster.nodes import Node

# The variable by which the stand-in knows the processes of a container; those do not carry the run id.
_CONTAINER = "MADENGINE_STANDIN_CONTAINER"
_RUNS = "/madlaunch/runs/"
_LOOK_EVERY_S = 0.02
_LAST_WORD_S = 2.0
_HOLD_EVERY_S = 0.002


@dataclass(frozen=True)
class SeenLine:
    """A line of standard output, and when it was there (seconds since the epoch)."""

    at_s: float
    text: str


class Running:
    """A program of which each line of standard output is seen when it comes."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self.lines: list[SeenLine] = []
        self._errors = errors
        self._error_text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(SeenLine(time.time(), line.rstrip("\n")))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What `--output json` has said so far."""
        return [json.loads(line.text) for line in self.lines]

    def wait_for(self, wanted: Callable[[str], bool], timeout_s: float = 30.0) -> SeenLine:
        """Return the first line that is `wanted`, which the program must print while it runs."""
        seen = 0
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            for line in self.lines[seen:]:
                seen += 1
                if wanted(line.text):
                    return line
            assert self._reader.is_alive() or seen < len(self.lines), f"it ended without the line\n{self._said()}"
            time.sleep(_LOOK_EVERY_S)
        message = f"the line did not come within {timeout_s} s\n{self._said()}"
        raise AssertionError(message)

    def wait_for_event(self, name: str, **keys: object) -> dict[str, Any]:
        """Return the first event of `--output json` with this name and these keys."""
        wanted = {"event": name, **keys}
        line = self.wait_for(lambda text: wanted.items() <= json.loads(text).items())
        return dict(json.loads(line.text))

    def wait_for_text(self, node_rank: int, text: str) -> dict[str, Any]:
        """Return the event of the line `text` of one rank."""
        return self.wait_for_event("line", node_rank=node_rank, text=text)

    def finish(self, timeout_s: float = 60.0) -> Launch:
        """Wait for the end; return what the launcher said with `--output json`."""
        self.end(timeout_s)
        return Launch(self.process.returncode, read_events([line.text for line in self.lines]), self.errors())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self, timeout_s: float = 60.0) -> int:
        """Wait for the end of the program and of its output; return its exit code."""
        self.process.wait(timeout_s)
        self._reader.join(5.0)
        self.errors()
        return self.process.returncode

    def errors(self) -> str:
        """Return its standard error, so far or after the end."""
        if self._errors.exists():
            self._error_text = self._errors.read_text(errors="backslashreplace")
        return self._error_text

    def _said(self) -> str:
        return "\n".join([line.text for line in self.lines[-20:]] + [self.errors()])


@contextlib.contextmanager
def running(
    cluster: AnyCluster, argv: Sequence[str], env: Mapping[str, str], cwd: Path = REPOSITORY
) -> Iterator[Running]:
    """Start a program on the control side and end it with the block, if it has not ended by itself."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w") as errors:
        process = cluster.popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="backslashreplace",
        )
        with process:
            watched = Running(process, Path(errors.name))
            try:
                yield watched
            finally:
                kill([*descendants(process.pid), process.pid] if process.poll() is None else [])
                watched.end()


@contextlib.contextmanager
def launch_live(cluster: AnyCluster, state: Path, *words: str, **env: str) -> Iterator[Running]:
    """Start the launcher with `--output json` on the cluster's nodes, to be looked at while it runs."""
    argv = [*LAUNCHER, *cluster.launcher_args(), "--output", "json", *words]
    with running(cluster, argv, launching.environment(state, **env)) as started:
        yield started


def kill(pids: Sequence[int]) -> None:
    """Kill processes with SIGKILL; those that are gone already do not matter."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_control_side(cluster: Cluster) -> None:
    """Kill every process of the control side but the one that holds it: the launcher, Ansible, all ssh clients."""
    kill([pid for pid in members("net", namespace(cluster.control_pid, "net")) if pid != cluster.control_pid])


def playbook_of(cluster: Cluster, launcher: int) -> int:
    """Return ansible-playbook itself, which is a child of the launcher."""
    return next(pid for pid in children_of(cluster, launcher) if b"ansible-playbook" in b" ".join(_command(pid)))


def children_of(cluster: Cluster, parent: int) -> list[int]:
    """Return the processes of the control side that a process has started itself."""
    pids = members("net", namespace(cluster.control_pid, "net"))
    return [pid for pid in pids if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(parent)]


def kill_connections(cluster: Cluster, address: str) -> None:
    """Kill the ssh clients of the control side that are connected to one address."""
    pids = members("net", namespace(cluster.control_pid, "net"))
    kill([pid for pid in pids if b"ssh" in _command(pid)[:1][0] and address in _open_connections(cluster, pid)])


def _command(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return [b""]


def _open_connections(cluster: Cluster, pid: int) -> str:
    shown = cluster.run(["ss", "-Htnp"]).stdout.splitlines()
    return "\n".join(line for line in shown if f"pid={pid}," in line)


def hold_program(node: Node, timeout_s: float = 60.0) -> int:
    """Stop (SIGSTOP) the next node program that is seen on a node; return its process, to be continued."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        for pid in node_programs(node):
            os.kill(pid, signal.SIGSTOP)
            return pid
        time.sleep(_HOLD_EVERY_S)
    message = f"no node program was seen within {timeout_s} s"
    raise AssertionError(message)


def node_programs(node: Node) -> list[int]:
    """Return the processes on a node that run the node program: exchanges with the control node, and listeners."""
    commands = {pid: _command(pid) for pid in node.namespaces.pids()}
    return [
        pid for pid, words in commands.items() if words[0] == b"python3" and any(b"node.loader" in w for w in words)
    ]


def processes_of_runs(node: Node) -> list[str]:
    """Return the command lines of all processes of any run on a node: of jobs, in containers, and supervisors."""
    found = []
    for pid in node.namespaces.pids() if node.alive else []:
        command = b" ".join(_command(pid)).decode(errors="replace")
        if {RUN_ID, _CONTAINER} & environment(pid).keys() or _RUNS in command:
            found.append(command)
    return found


def left_on(cluster: Cluster) -> dict[str, list[str]]:
    """Return what `processes_of_runs` finds, by node; nodes without any are left out."""
    found = {node.name: processes_of_runs(node) for node in cluster.nodes}
    return {name: commands for name, commands in found.items() if commands}


def check_nothing_left(cluster: Cluster) -> None:
    """Fail if a run left a process on a node; a supervisor has a moment to end after its last word."""
    deadline_s = time.monotonic() + _LAST_WORD_S
    while left := left_on(cluster):
        assert time.monotonic() < deadline_s, left
        time.sleep(_LOOK_EVERY_S)


def seconds_until(condition: Callable[[], bool], timeout_s: float, look_every_s: float = 0.1) -> float:
    """Wait until a condition holds; return how many seconds that took. A look at many nodes is dear."""
    start_s = time.monotonic()
    while not condition():
        assert time.monotonic() - start_s < timeout_s, f"not within {timeout_s} s"
        time.sleep(look_every_s)
    return time.monotonic() - start_s


def rank_dir(node: AnyNode, run_id: str, node_rank: int) -> Path:
    """Return the directory of a rank on its node, as this machine's processes see it."""
    return node.home / ".local/state/madlaunch/runs" / run_id / f"rank{node_rank}"


def status_on(node: AnyNode, run_id: str, node_rank: int) -> dict[str, Any]:
    """Return what the node recorded of a rank."""
    return dict(json.loads((rank_dir(node, run_id, node_rank) / "status.json").read_text()))
