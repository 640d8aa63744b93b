# SPDX-License-Identifier: GPL-3.0-or-later
"""One set of Linux namespaces, held by an init process: start it, run programs in it, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.errors import ClusterError
from tests.cluster.processes import children, members, namespace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INIT = Path(__file__).with_name("init.py")
_ANSWER_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 5.0
NODE_NAMESPACES = ("--net", "--mount", "--uts", "--ipc", "--pid")
CONTROL_NAMESPACES = ("--net", "--mount")


def can_unshare() -> bool:
    """Whether this process may make the namespaces of a node (root may, unless a container forbids it)."""
    if os.geteuid() != 0 or not all(shutil.which(program) for program in ("unshare", "nsenter", "ip")):
        return False
    argv = ["unshare", *NODE_NAMESPACES, "--fork", "--mount-proc", "true"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Plan:
    """What the init process does; see init.py."""

    setup: list[list[str]]
    server: list[str]
    pid_file: str

    def write(self, path: Path) -> Path:
        """Write the file that init reads."""
        path.write_text(json.dumps({"setup": self.setup, "server": self.server, "pid_file": self.pid_file}))
        return path


class Namespaces:
    """Namespaces that live as long as their init process, and that with this object's owner.

    Args:
        kinds: Which ones, as options of unshare(1).
        plan: File for the init process.
        within: A command prefix with which it is started, to begin in other namespaces than ours.
    """

    def __init__(self, kinds: Sequence[str], plan: Path, within: Sequence[str] = ()) -> None:
        self._kinds = tuple(kinds)
        self._forks = "--pid" in kinds
        argv = [*within, "unshare", *kinds, "--propagation", "private"]
        argv += ["--fork", "--kill-child", "--mount-proc"] if self._forks else []
        argv += ["--", sys.executable, "-I", "-S", str(_INIT), str(plan)]
        # A session of its own: Ctrl-C at the tests' terminal is not for the nodes.
        self._log = plan.with_suffix(".log")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.pid = 0
        self._home: tuple[str, str] | None = None

    def wait_born(self) -> None:
        """Wait until the namespaces exist; after it ``pid`` is the init process."""
        self._expect("born")
        self.pid = children(self._process.pid)[0] if self._forks else self._process.pid
        kind = "pid" if self._forks else "net"
        name = namespace(self.pid, kind)
        # Everything in that namespace is killed in the end, so it must be a new one.
        if name in {"", namespace(os.getpid(), kind)}:
            message = f"process {self.pid} is in {kind} namespace {name or 'unknown'}, not in one of its own"
            raise ClusterError(message)
        self._home = (kind, name)

    def go(self) -> None:
        """Let init carry out its plan."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def wait_ready(self) -> None:
        """Wait until the plan is carried out."""
        self._expect("ready")

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _ANSWER_TIMEOUT_S)
        answer = self._process.stdout.readline().decode().strip() if readable else f"no answer in {_ANSWER_TIMEOUT_S} s"
        if answer != word:
            why = " ".join(f"{answer} {self._log.read_text()}".split()) or "their first process ended without a word"
            message = f"the namespaces planned in {self._log.with_suffix('.json')} are not {word}: {why}"
            raise ClusterError(message)

    @property
    def alive(self) -> bool:
        """Whether the init process runs."""
        return self._process.poll() is None

    def prefix(self) -> list[str]:
        """A command prefix that enters all namespaces."""
        return ["nsenter", "--target", str(self.pid), *self._kinds, "--"]

    def run(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - passed on to subprocess.run
        """Run a program inside, with text pipes; a failure raises unless ``check=False`` is given."""
        given = {"check": True, "text": True, "capture_output": True, "timeout": 60.0, **options}
        if "input" not in given:
            given.setdefault("stdin", subprocess.DEVNULL)
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: PLW1510 - `check` is in there
            [*self.prefix(), *argv], **given
        )
        return done

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:  # noqa: ANN401 - passed on to subprocess.Popen
        """Start a program inside."""
        return subprocess.Popen([*self.prefix(), *argv], **options)

    def ip(self, batch: str) -> None:
        """Carry out `ip` commands inside.

        Raises:
            ClusterError: `ip` refused one of them.
        """
        done = self.run(["ip", "-batch", "-"], input=batch, check=False)
        if done.returncode != 0:
            message = f"ip -batch failed: {done.stderr.strip()} in:\n{batch}"
            raise ClusterError(message)

    def pids(self) -> list[int]:
        """Every process inside (by the PID namespace, or the network where there is none of its own)."""
        return members(*self._home) if self._home else []

    def kill(self) -> None:
        """End everything inside at once, as a crash does."""
        if self.pid and self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)
        self.close()

    def close(self) -> None:
        """End everything inside and wait until it is gone."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # With --kill-child the init process goes with it.
            self._process.kill()
            self._process.wait()
        self._end_rest()

    def _end_rest(self) -> None:
        deadline = time.monotonic() + _END_TIMEOUT_S
        while rest := self.pids():
            for pid in rest:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            if time.monotonic() > deadline:
                message = f"processes that do not end: {rest}"
                raise ClusterError(message)
            time.sleep(0.01)


def variables(env: Mapping[str, str]) -> list[str]:
    """A command prefix that sets exactly these variables."""
    return ["env", "-i", *(f"{name}={value}" for name, value in env.items())]
