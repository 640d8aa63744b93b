# SPDX-License-Identifier: GPL-3.0-or-later
"""A node on this machine: the real node program through its real bootstrap line, with real processes."""

from __future__ import annotations

import base64
import itertools
import os
import signal
import subprocess
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _node_call
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files, processes

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(_node_call.__file__).parent / "node"
TOKEN = "6d61646c61756e6368"
_numbers = itertools.count()


def call(entry: str, args: dict[str, Any], interpreter: str = "") -> dict[str, Any]:
    """Call an entry of the node program as the action plugins do, with `sh` in the place of ssh."""
    done = subprocess.run(
        ["/bin/sh", "-c", _node_call.shell_line(interpreter)],
        input=document(entry, args),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return _node_call.parse(done.stdout + done.stderr, TOKEN)


def document(entry: str, args: dict[str, Any]) -> str:
    """Return the standard input of a call."""
    modules = [(name, (SOURCES / f"{name}.py").read_text()) for name in _node_call.MODULES[entry]]
    return _node_call.document(entry, args, modules, TOKEN)


@dataclass
class Node:
    """The state directory and the MAD checkout of a login, and calls with arguments that a test need not name."""

    home: Path
    interpreter: str = ""
    run_ids: list[str] = field(default_factory=list)

    @property
    def state_dir(self) -> Path:
        """Where the runs are kept."""
        return self.home / "state"

    @property
    def mad_dir(self) -> Path:
        """The MAD checkout."""
        return self.home / "MAD"

    def rank_dir(self, run_id: str, node_rank: int = 0, attempt: int = 0) -> Path:
        """Return the run directory of a rank."""
        run_dir = self.state_dir / "runs" / run_id
        return (run_dir / f"attempt{attempt}" if attempt else run_dir) / f"rank{node_rank}"

    def new_run_id(self) -> str:
        """Return a run id that no other test, and no other test process, has."""
        self.run_ids.append(f"test-{os.getpid()}-{next(_numbers)}")
        return self.run_ids[-1]

    def start(self, script: str, **changes: object) -> str:
        """Start a rank that runs `script`; return its run id."""
        args = {
            "run_id": changes.get("run_id") or self.new_run_id(),
            "node_rank": 0,
            "nnodes": 1,
            "host": "node01",
            "model": "some_model",
            "owner": "somebody@control",
            "state_dir": str(self.state_dir),
            "script": script,
            "files": {},
            "mad_dir": str(self.mad_dir),
            "in_place": False,
            "timeout_s": 0,
            "grace_s": 0.3,
            "lease_s": 0,
            **changes,
        }
        call("start", args, self.interpreter)
        return str(args["run_id"])

    def follow(self, run_id: str, offset: int = 0, **changes: object) -> dict[str, Any]:
        """Poll once; `data` is the bytes themselves."""
        answer = call("follow", self.follow_arguments(run_id, offset, **changes), self.interpreter)
        return {**answer, "data": zlib.decompress(base64.b64decode(answer["data"]))}

    def follow_arguments(self, run_id: str, offset: int = 0, **changes: object) -> dict[str, Any]:
        """Return what `follow` is called with."""
        return {
            "run_id": run_id,
            "node_rank": 0,
            "state_dir": str(self.state_dir),
            "offset": offset,
            "wait_s": 5,
            "max_bytes": 1 << 20,
            "lease_s": 0,
            "want_results": False,
            **changes,
        }

    def follow_to_end(self, run_id: str, **changes: object) -> tuple[bytes, dict[str, Any]]:
        """Poll until the rank has ended and all is there; return the log and the last status."""
        log = b""
        deadline_s = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline_s, "the rank has not ended within 30 s"
            answer = self.follow(run_id, len(log), **changes)
            log += answer["data"]
            if answer["status"]["state"] == "ended" and len(log) == answer["size_bytes"]:
                return log, answer["status"]

    def wait_for(self, run_id: str, text: bytes) -> None:
        """Return when the log of the rank has `text` in it."""
        wait_until(lambda: text in (self.rank_dir(run_id) / "log").read_bytes())

    def stop(self, run_id: str, **changes: object) -> dict[str, Any]:
        """Stop a run."""
        args = {"run_id": run_id, "node_rank": 0, "state_dir": str(self.state_dir), "reason": "user", "grace_s": 0.3}
        return call("stop", {**args, **changes}, self.interpreter)

    def status(self, run_id: str | None = None, **changes: object) -> list[dict[str, Any]]:
        """Return the status of the runs of this node."""
        args = {"run_id": run_id, "state_dir": str(self.state_dir), **changes}
        return list(call("status", args, self.interpreter)["runs"])

    def verify(self, run_id: str, node_rank: int | None = 0) -> dict[str, Any]:
        """Look at what is left of a run."""
        args = {"run_id": run_id, "node_rank": node_rank, "state_dir": str(self.state_dir)}
        return call("verify", args, self.interpreter)

    def supervisor(self, run_id: str, node_rank: int = 0) -> processes.Process:
        """Return the process that watches a rank."""
        status = files.read_json(str(self.rank_dir(run_id, node_rank) / "status.json"))
        assert status is not None
        return processes.from_json(status["supervisor"])[0]

    def kill_everything(self) -> None:
        """End whatever a test left, known by the run ids of this node and nothing else."""
        for path in self.state_dir.glob("runs/**/rank*/status.json"):
            status = files.read_json(str(path)) or {"supervisor": None}
            for supervisor in processes.from_json(status["supervisor"]):
                processes.send(supervisor, signal.SIGKILL)
        for run_id in self.run_ids:
            while left := processes.of_run(run_id):
                for process in left:
                    processes.send(process, signal.SIGKILL)
                time.sleep(0.01)


def wait_until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Return when `condition` holds; fail when it does not within `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not true within {limit_s} s"
        time.sleep(0.01)
