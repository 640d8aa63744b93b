# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for the stand-in: a PATH with madengine and a GPU tool on it, and a checkout of the demo models."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEMO = Path(__file__).resolve().parents[3] / "demo"
sys.path.insert(0, str(DEMO))

_ROCM_SMI = (
    "#!/bin/sh\n# rocm-smi --showid --csv\necho device,Device Name\nfor gpu in 0 1; do echo card$gpu,MI300X; done\n"
)
_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Result:
    """How one call of the stand-in ended."""

    code: int
    out: str
    err: str


class Host:
    """One host with its own copy of the checkout.

    Args:
        folder: Its own directory.
        version: Major version of its madengine.
        gpus: Whether it has a GPU tool (which finds two).
    """

    def __init__(self, folder: Path, version: str, *, gpus: bool) -> None:
        self.mad = folder / "MAD"
        shutil.copytree(DEMO / "MAD", self.mad)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "madengine").symlink_to(DEMO / "madengine")
        (programs / "python3").symlink_to(sys.executable)
        if gpus:
            (programs / "rocm-smi").write_text(_ROCM_SMI)
            (programs / "rocm-smi").chmod(0o755)
        self.env = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(folder),
            "COLUMNS": "200",
            "PYTHONUTF8": "1",
            "MADENGINE_STANDIN": version,
        }

    def start(self, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start madengine in the checkout, with its output in the files `out` and `err` there."""
        with (self.mad / "out").open("w") as out, (self.mad / "err").open("w") as err:
            return subprocess.Popen(
                # A shell that runs the tests in the background hands on SIGINT ignored.
                ["env", "--default-signal=INT", "madengine", *words],
                cwd=self.mad,
                env={**self.env, **(env or {})},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                stdout=out,
                stderr=err,
                text=True,
            )

    def finish(self, process: subprocess.Popen[str]) -> Result:
        """Wait for a started madengine."""
        code = process.wait(_DEADLINE_S)
        return Result(code, (self.mad / "out").read_text(), (self.mad / "err").read_text())

    def run(self, *words: str, env: dict[str, str] | None = None) -> Result:
        """Run madengine to its end."""
        return self.finish(self.start(*words, env=env))

    def rows(self) -> list[dict[str, str]]:
        """The rows of perf.csv, without the durations."""
        with (self.mad / "perf.csv").open(newline="") as file:
            return [{k: v for k, v in row.items() if not k.endswith("duration")} for row in csv.DictReader(file)]

    def container_pids(self) -> list[int]:
        """Processes of this host's containers, known by HOME in an environment that has the container's mark."""
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and self._is_ours(path)]

    def _is_ours(self, process: Path) -> bool:
        try:
            words = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            return False
        marked = any(word.startswith(b"MADENGINE_STANDIN_CONTAINER=") for word in words)
        return marked and f"HOME={self.env['HOME']}".encode() in words

    def kill_containers(self) -> None:
        """Leave nothing behind."""
        for pid in self.container_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Return a function (version, gpus=True) -> Host; whatever still runs in a container is killed at the end."""
    hosts: list[Host] = []

    def make(version: str, *, gpus: bool = True) -> Host:
        folder = tmp_path / f"host{len(hosts)}"
        folder.mkdir()
        hosts.append(Host(folder, version, gpus=gpus))
        return hosts[-1]

    yield make
    for host in hosts:
        host.kill_containers()


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is true.

    Raises:
        AssertionError: It did not become true.
    """
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {_DEADLINE_S} s for {what}"
        time.sleep(0.02)
