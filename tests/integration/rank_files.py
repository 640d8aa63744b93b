# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch left on a node, read back as the node itself would read it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.cluster.nodes import Node
    from tests.integration.launching import Launch

RANK_DIR = "<rank dir>"
STATE_DIR = ".local/state/madlaunch"


def rank_directory(done: Launch, node: Node, node_rank: int, state: Path | None = None) -> Path:
    """Return the run directory of a rank, as this machine's processes see it."""
    return (state or node.home / STATE_DIR) / "runs" / str(done.outcome["run_id"]) / f"rank{node_rank}"


def command_of(script: str) -> list[str]:
    """Return the words of the command at the end of run.sh, as a shell makes them; the run directory is RANK_DIR."""
    command = script.partition("\nexec ")[2]
    assert command, script
    shell = ["sh", "-c", f"printf '%s\\0' {command}"]
    done = subprocess.run(shell, env={"MADLAUNCH_RANK_DIR": RANK_DIR}, check=True, capture_output=True)
    return done.stdout.decode().split("\0")[:-1]


def container_environment(lines: Sequence[str]) -> dict[str, str]:
    """Return the environment that demo_env printed in the container."""
    begin = lines.index("DEMO_ENV_BEGIN")
    found: dict[str, Any] = json.loads(lines[begin + 1])
    return {name: str(value) for name, value in found.items()}


def logins(node: Node) -> str:
    """Return what the node's SSH server wrote down since it was made."""
    return node.path("/run/node/sshd.log").read_text(errors="replace")
