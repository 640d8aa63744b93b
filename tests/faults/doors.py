# SPDX-License-Identifier: GPL-3.0-or-later
"""One launch through either door, with the same variables, to be looked at while it runs and judged when it ended."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import _COLLECTIONS_PATH
from tests.faults.going import Going
from tests.integration.launching import LAUNCHER, environment
from tests.integration.running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.cluster.cluster import Cluster

_FLAGS = {"timeout_s": "timeout", "skip_checks": "skip-check"}


@dataclass(frozen=True)
class Door:
    """One way to start a launch."""

    name: str

    @contextlib.contextmanager
    def launch(self, cluster: Cluster, state: Path, **variables: object) -> Iterator[Going]:
        """Start a launch on all nodes with the variables of the playbook; end what is left of it with the block.

        `ssh_args` is the launcher's flag, or the variable of the inventory.
        """
        variables.setdefault("grace_s", 2)
        opened = _launcher if self.name == "launcher" else _playbook
        with opened(cluster, state, variables) as going:
            yield going


@contextlib.contextmanager
def _launcher(cluster: Cluster, state: Path, variables: dict[str, object]) -> Iterator[Going]:
    words = [*LAUNCHER, *cluster.launcher_args(), "--output", "json"]
    for name, value in variables.items():
        words += _flag(name, value)
    with running(cluster, words, environment(state)) as started:
        begin = json.loads(started.wait_for(lambda line: '"begin"' in line).text)
        names = [node.address for node in cluster.nodes]
        yield Going(cluster, started, begin["run_id"], Path(begin["log_dir"]), names, json_output=True)


@contextlib.contextmanager
def _playbook(cluster: Cluster, state: Path, variables: dict[str, object]) -> Iterator[Going]:
    run_id = str(variables.setdefault("run_id", f"fault-{os.getpid()}-{len(list(state.iterdir()))}"))
    log_dir = Path(str(variables.setdefault("log_dir", str(state / "logs" / run_id))))
    hosts = {
        f"worker{rank}": {"ansible_host": node.address, "node_rank": rank} for rank, node in enumerate(cluster.nodes)
    }
    ssh_args = variables.pop("ssh_args", cluster.access.ssh_args())
    inventory, given = state / f"{run_id}-inventory.json", state / f"{run_id}-variables.json"
    shared = {**cluster.inventory_vars(), "ansible_ssh_common_args": ssh_args}
    inventory.write_text(json.dumps({"training": {"hosts": hosts, "vars": shared}}))
    given.write_text(json.dumps(variables))
    words = ["ansible-playbook", "-i", str(inventory), "madlaunch.multinode.launch", "--forks", "16", "-e", f"@{given}"]
    # Ansible keeps sockets in the home directory, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as home:
        env = environment(state, HOME=home, ANSIBLE_NOCOLOR="1", PYTHONUNBUFFERED="1")
        env["ANSIBLE_COLLECTIONS_PATH"] = str(_COLLECTIONS_PATH)
        with running(cluster, words, env) as started:
            yield Going(cluster, started, run_id, log_dir, list(hosts), json_output=False)


LAUNCHER_DOOR, PLAYBOOK_DOOR = DOORS = Door("launcher"), Door("playbook")


def _flag(name: str, value: object) -> list[str]:
    flag = "--" + _FLAGS.get(name, name).replace("_", "-")
    if name == "container_env":
        assert isinstance(value, dict)
        return [word for variable, text in value.items() for word in ("--env", f"{variable}={text}")]
    if isinstance(value, bool):
        return [flag] if value else []
    return [flag, ",".join(value) if isinstance(value, list) else str(value)]


def through_both_doors(row: Callable[[Door, Cluster, Path], None], clusters: Sequence[Cluster], state: Path) -> None:
    """Run a row through both doors at the same time, each on nodes and in a directory of its own.

    For rows that mostly wait.
    """
    with ThreadPoolExecutor(len(DOORS)) as pool:
        parts = {}
        for door, cluster in zip(DOORS, clusters, strict=True):
            (state / door.name).mkdir()
            parts[door] = pool.submit(row, door, cluster, state / door.name)
    for door, part in parts.items():
        error = part.exception()
        if error is not None:
            error.add_note(f"through the {door.name}")
            raise error
