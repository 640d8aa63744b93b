# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the launcher where no host can be contacted, and read what it would have run."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.integration.launching import LAUNCHER, environment, read_events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class DryRun:
    """What one dry run gave."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """The documents of `--output json`."""
        return read_events(self.stdout.splitlines())

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the events of one kind, in order."""
        return [item for item in self.events if item["event"] == event]

    def script(self, node_rank: int, version: str) -> str:
        """The run.sh of one rank."""
        return str(self._rank(node_rank)["scripts"][version]["text"])

    def files(self, node_rank: int, version: str) -> dict[str, str]:
        """The files beside it."""
        return dict(self._rank(node_rank)["scripts"][version]["files"])

    def _rank(self, node_rank: int) -> dict[str, Any]:
        return next(event for event in self.of("render") if event["node_rank"] == node_rank)


def dry_run(folder: Path, *words: str, prefix: Sequence[str] = (), **env: str) -> DryRun:
    """Run the launcher with `--dry-run` and more `words` in `folder`, with an ssh that leaves a mark if it is called.

    Args:
        folder: Becomes the working directory and the home; the state directory and the programs lie below it.
        words: Flags of the launcher.
        prefix: A command before the launcher's, which brings it elsewhere.
        env: More variables.
    """
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("ssh", "scp", "sftp", "sshpass"):
        (programs / name).write_text(f"#!/bin/sh\ntouch '{folder}/contacted'\nexit 255\n")
        (programs / name).chmod(0o755)
    variables = environment(folder / "state", HOME=str(folder), PATH=f"{programs}:/usr/local/bin:/usr/bin:/bin", **env)
    argv = [*prefix, *LAUNCHER, "run", "--dry-run", *words]
    done = subprocess.run(
        argv, cwd=folder, env=variables, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=120
    )
    assert not (folder / "contacted").exists()
    return DryRun(done.returncode, done.stdout.decode(), done.stderr.decode())
