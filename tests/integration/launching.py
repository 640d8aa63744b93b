# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the launcher against test nodes, as its users do: as a program, with a command line, judged by what it says."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cluster.base import AnyCluster

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCHER = [sys.executable, str(REPOSITORY / "launcher.py")]


@dataclass(frozen=True)
class Launch:
    """What one call of the launcher with `--output json` gave."""

    returncode: int
    events: tuple[dict[str, Any], ...]
    stderr: str

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the events of one kind, in order."""
        return [item for item in self.events if item["event"] == event]

    @property
    def outcome(self) -> dict[str, Any]:
        """The last line."""
        assert self.events, self.stderr
        assert self.events[-1]["event"] == "outcome", self.events[-1]
        return self.events[-1]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What the preflight found."""
        return [finding for report in self.of("preflight") for finding in report["findings"]]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """The findings that are errors, as (check, host)."""
        return [(item["check"], item["host"]) for item in self.findings if item["severity"] == "error"]

    def lines(self, node_rank: int) -> list[str]:
        """The lines of one rank, as shown."""
        return [item["text"] for item in self.of("line") if item["node_rank"] == node_rank]

    def log(self, node_rank: int) -> bytes:
        """The raw log of one rank on the control node."""
        rank = next(rank for rank in self.outcome["ranks"] if rank["node_rank"] == node_rank)
        return Path(rank["log_path"]).read_bytes()


def environment(state: Path, **more: str) -> dict[str, str]:
    """Return the environment of a launcher whose records lie in `state` and which inherits no setting."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MADLAUNCH_", "ANSIBLE_", "SLURM_"))
    }
    return {**kept, "MADLAUNCH_STATE_DIR": str(state), **more}


def launch(cluster: AnyCluster, state: Path, *words: str, timeout_s: float = 120.0, **env: str) -> Launch:
    """Run the launcher on the cluster's nodes with more `words`, and return what it said."""
    argv = [*LAUNCHER, *cluster.launcher_args(), "--output", "json", *words]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(state, **env), timeout_s=timeout_s)
    return Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)


def read_events(lines: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Return the JSON documents of standard output, each on a line of its own and nothing else."""
    return tuple(json.loads(line) for line in lines)
