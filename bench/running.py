# SPDX-License-Identifier: GPL-3.0-or-later
"""A tool that runs below the meter, and when each line of it arrived."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bench.errors import BenchError
from bench.meter import Measured
from tests.cluster.options import REPOSITORY
from tests.cluster.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FIRST = re.compile(rb"bench-first (\d+) (\d+\.\d+)")
_LOOK_EVERY_S = 0.005
_ENDS_WITHIN_S = 60.0
_READ_BYTES = 1 << 18
_SHOWN_BYTES = 3000


@dataclass(frozen=True)
class Command:
    """How a tool is started."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True)
class FirstLine:
    """The first line of a rank: when the rank said it, and when it arrived (seconds since the epoch)."""

    told_s: float
    arrived_s: float


@dataclass(frozen=True)
class Piece:
    """Whole lines that arrived together."""

    arrived_s: float
    text: bytes


class Running:
    """A tool that runs; its standard output is read as it comes, if it goes anywhere."""

    def __init__(self, meter: subprocess.Popen[bytes], folder: Path) -> None:
        self.pieces: list[Piece] = []
        self.first_lines: dict[int, FirstLine] = {}
        self._meter = meter
        self._folder = folder
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        if self._meter.stdout is None:
            return
        source, rest = self._meter.stdout.fileno(), b""
        while data := os.read(source, _READ_BYTES):
            arrived_s = time.time()
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if newline:
                self._take(Piece(arrived_s, whole + newline))

    def _take(self, piece: Piece) -> None:
        self.pieces.append(piece)
        for rank, told_s in FIRST.findall(piece.text):
            self.first_lines.setdefault(int(rank), FirstLine(float(told_s), piece.arrived_s))

    @property
    def meter_pid(self) -> int:
        """The process below which the tool and all it started are."""
        return self._meter.pid

    @property
    def runs(self) -> bool:
        """Whether the tool has not ended yet."""
        return self._meter.poll() is None

    @property
    def text(self) -> str:
        """What the tool has printed so far."""
        return b"".join(piece.text for piece in self.pieces).decode(errors="replace")

    def wait_for_ranks(self, count: int, timeout_s: float) -> None:
        """Wait until so many ranks have said their first line.

        Raises:
            BenchError: They have not.
        """
        deadline_s = time.monotonic() + timeout_s
        while len(self.first_lines) < count:
            if time.monotonic() > deadline_s or self._meter.poll() is not None:
                self.fail(f"{len(self.first_lines)} of {count} ranks said anything within {timeout_s:g} s")
            time.sleep(_LOOK_EVERY_S)

    def interrupt(self) -> float:
        """Press Ctrl-C; return when, in seconds since the epoch."""
        at_s = time.time()
        self._meter.send_signal(signal.SIGINT)
        return at_s

    def finish(self, timeout_s: float) -> Measured:
        """Wait for the end of the tool and of its output; return what it used.

        Raises:
            BenchError: It has not ended, or the meter has not.
        """
        try:
            self._meter.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.fail(f"it has not ended within {timeout_s:g} s")
        self._reader.join(_ENDS_WITHIN_S)
        report = self._folder / "report.json"
        if not report.exists():
            self.fail("the meter ended without a report")
        return Measured(**json.loads(report.read_text()))

    def fail(self, problem: str) -> NoReturn:
        """Give up with what the tool has said last."""
        errors = (self._folder / "errors").read_text(errors="replace")
        message = f"{problem}\n{self.text[-_SHOWN_BYTES:]}\n{errors[-_SHOWN_BYTES:]}".rstrip()
        raise BenchError(message)

    def end(self) -> None:
        """End the tool if it still runs: first as its user would, in the end with all that is below it."""
        if self._meter.poll() is None:
            self._meter.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._meter.wait(_ENDS_WITHIN_S)
        if self._meter.poll() is None:
            for pid in [*descendants(self._meter.pid), self._meter.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._meter.wait()
        self._reader.join(_ENDS_WITHIN_S)


@contextlib.contextmanager
def started(command: Command, *, memory: bool = False, screen: bool = True) -> Iterator[Running]:
    """Start a tool below a meter; it does not outlive the block.

    Args:
        command: The tool.
        memory: Whether to look at the memory of all its processes.
        screen: Whether its standard output is read; it goes to /dev/null otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="madlaunch-bench-") as name:
        folder = Path(name)
        argv = [sys.executable, "-m", "bench.meter", str(folder / "report.json"), *(["--memory"] if memory else [])]
        with (folder / "errors").open("wb") as errors:
            meter = subprocess.Popen(
                [*argv, "--", *command.argv],
                cwd=REPOSITORY,
                env=dict(command.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if screen else subprocess.DEVNULL,
                stderr=errors,
                # Ctrl-C at the terminal is for the benchmark, which then ends the tool.
                start_new_session=True,
            )
        with meter:
            running = Running(meter, folder)
            try:
                yield running
            finally:
                running.end()
