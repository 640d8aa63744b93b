# SPDX-License-Identifier: GPL-3.0-or-later
"""One launch through either door, with the same variables, to be looked at while it runs and judged when it ended."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import _COLLECTIONS_PATH
from tests.integration.launching import LAUNCHER, environment
from tests.integration.running import Running, processes_of_runs, running, seconds_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.nodes import Node

_FLAGS = {"timeout_s": "timeout", "skip_checks": "skip-check"}
# A supervisor that has recorded the end needs a moment to go.
_GONE_WITHIN_S = 3.0


@dataclass
class Ended:
    """How a launch ended: the exit code of the door, the outcome of the run, and the lines that were shown."""

    code: int
    outcome: dict[str, Any]
    shown: list[str]
    errors: str

    @property
    def culprit(self) -> int | None:
        """The rank of the first failure."""
        first = self.outcome["first_failure"]
        return None if first is None else int(first["node_rank"])

    @property
    def states(self) -> list[str]:
        """The states of the ranks, in order."""
        return [str(rank["state"]) for rank in self.outcome["ranks"]]

    @property
    def clean(self) -> list[bool | None]:
        """Whether each host was seen to be clean, in the order of the ranks."""
        return [rank["clean"] for rank in self.outcome["ranks"]]


@dataclass
class Going:
    """A launch that goes on."""

    cluster: Cluster
    started: Running
    run_id: str
    log_dir: Path
    names: list[str]
    json_output: bool
    ended: Ended | None = field(default=None)

    def wait_for(self, node_rank: int, text: str, timeout_s: float = 40.0) -> None:
        """Wait until a line of a rank is on the screen."""
        if self.json_output:
            self.started.wait_for(lambda line: self._is_line(line, node_rank, text), timeout_s)
        else:
            label = f"[{self.names[node_rank]}:{node_rank}] "
            self.started.wait_for(lambda line: line == label + text, timeout_s)

    def _is_line(self, line: str, node_rank: int, text: str) -> bool:
        event = json.loads(line)
        return (event["event"], event.get("node_rank"), event.get("text")) == ("line", node_rank, text)

    def end(self, timeout_s: float = 90.0) -> Ended:
        """Wait for the end."""
        code = self.started.end(timeout_s)
        texts = [line.text for line in self.started.lines]
        if self.json_output:
            events = [json.loads(text) for text in texts]
            assert events[-1]["event"] == "outcome", (events[-1:], self.started.errors())
            outcome = events[-1]
        else:
            outcome = json.loads((self.log_dir / "summary.json").read_text())["outcome"]
        return Ended(code, outcome, texts, self.started.errors())

    def lines(self, node_rank: int) -> list[str]:
        """Return the lines of a rank that were shown so far."""
        if self.json_output:
            events = [json.loads(line.text) for line in self.started.lines]
            return [
                event["text"] for event in events if (event["event"], event.get("node_rank")) == ("line", node_rank)
            ]
        label = f"[{self.names[node_rank]}:{node_rank}] "
        return [line.text.removeprefix(label) for line in self.started.lines if line.text.startswith(label)]

    def check_lines(self, *node_ranks: int) -> None:
        """Fail unless the log of each rank here is that of its node, and every line of it was shown, once."""
        for node_rank in node_ranks:
            node = self.cluster.nodes[node_rank]
            on_node = (node.home / ".local/state/madlaunch/runs" / self.run_id / f"rank{node_rank}/log").read_bytes()
            assert (self.log_dir / f"rank{node_rank}.log").read_bytes() == on_node
            assert self.lines(node_rank) == on_node.decode().splitlines()


@dataclass(frozen=True)
class Door:
    """One way to start a launch; `failed` is the exit code with which it says that a rank failed."""

    name: str
    failed: int
    limit: int

    @contextlib.contextmanager
    def launch(self, cluster: Cluster, state: Path, **variables: object) -> Iterator[Going]:
        """Start a launch on all nodes with the variables of the playbook; end what is left of it with the block."""
        run_id = str(variables.setdefault("run_id", f"fault-{os.getpid()}-{len(list(state.iterdir()))}"))
        variables.setdefault("grace_s", 2)
        log_dir = Path(str(variables.setdefault("log_dir", str(state / "logs" / run_id))))
        opened = self._launcher if self.name == "launcher" else self._playbook
        with opened(cluster, state, variables) as (started, names):
            if self.name == "launcher":
                begin = json.loads(started.wait_for(lambda line: '"begin"' in line).text)
                run_id, log_dir = begin["run_id"], Path(begin["log_dir"])
            yield Going(cluster, started, run_id, log_dir, names, json_output=self.name == "launcher")

    @contextlib.contextmanager
    def _launcher(
        self, cluster: Cluster, state: Path, variables: dict[str, object]
    ) -> Iterator[tuple[Running, list[str]]]:
        given = {name: value for name, value in variables.items() if name not in {"run_id", "log_dir"}}
        words = [*LAUNCHER, *cluster.launcher_args(), "--output", "json"]
        for name, value in given.items():
            words += _flag(name, value)
        with running(cluster, words, environment(state)) as started:
            yield started, [node.address for node in cluster.nodes]

    @contextlib.contextmanager
    def _playbook(
        self, cluster: Cluster, state: Path, variables: dict[str, object]
    ) -> Iterator[tuple[Running, list[str]]]:
        hosts = {
            f"worker{rank}": {"ansible_host": node.address, "node_rank": rank}
            for rank, node in enumerate(cluster.nodes)
        }
        inventory = state / "inventory.json"
        inventory.write_text(json.dumps({"training": {"hosts": hosts, "vars": cluster.inventory_vars()}}))
        (state / "vars.json").write_text(json.dumps(variables))
        words = ["ansible-playbook", "-i", str(inventory), "madlaunch.multinode.launch", "--forks", "16"]
        words += ["-e", f"@{state / 'vars.json'}"]
        # Ansible keeps sockets in the home directory, and their paths must be short.
        with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as home:
            env = environment(state, HOME=home, ANSIBLE_NOCOLOR="1", PYTHONUNBUFFERED="1")
            env["ANSIBLE_COLLECTIONS_PATH"] = str(_COLLECTIONS_PATH)
            with running(cluster, words, env) as started:
                yield started, list(hosts)


LAUNCHER_DOOR = Door("launcher", failed=1, limit=4)
DOORS = (LAUNCHER_DOOR, Door("playbook", failed=2, limit=2))


def _flag(name: str, value: object) -> list[str]:
    flag = "--" + _FLAGS.get(name, name).replace("_", "-")
    if name == "container_env":
        assert isinstance(value, dict)
        return [word for variable, text in value.items() for word in ("--env", f"{variable}={text}")]
    if isinstance(value, bool):
        return [flag] if value else []
    return [flag, ",".join(value) if isinstance(value, list) else str(value)]


def left_of(node: Node, run_id: str) -> list[str]:
    """Return the command lines of what a run left on a node; containers of the stand-in are processes too."""
    return [command for command in processes_of_runs(node) if run_id in command or "MADENGINE" in command] or [
        " ".join(process.argv) for process in node.processes(run_id)
    ]


def check_clean(cluster: Cluster) -> None:
    """Fail if any process of any run is left on a node that is up; a supervisor has a moment to go."""
    seconds_until(lambda: not any(processes_of_runs(node) for node in cluster.nodes if node.alive), _GONE_WITHIN_S)
