# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch that goes on and how it ended: its lines, its exit code and culprit, and what is left of it on the nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.options import LOGIN
from tests.faults.docker import OTHER, containers
from tests.integration.running import Running, node_programs, processes_of_runs, seconds_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cluster.cluster import Cluster

# A supervisor that has recorded the end needs a moment to go.
_GONE_WITHIN_S = 3.0


@dataclass
class Going:
    """A launch that goes on. `json_output`: it is the launcher's; otherwise the text of `ansible-playbook` is read."""

    cluster: Cluster
    started: Running
    run_id: str
    log_dir: Path
    names: list[str]
    json_output: bool

    def wait_for(self, node_rank: int, text: str, timeout_s: float = 40.0) -> None:
        """Wait until a line of a rank is on the screen."""
        if self.json_output:
            self.started.wait_for(lambda line: self._is_line(line, node_rank, text), timeout_s)
        else:
            label = f"[{self.names[node_rank]}:{node_rank}] "
            self.started.wait_for(lambda line: line == label + text, timeout_s)

    def wait_up(self) -> None:
        """Wait until a `tick` of every rank is on the screen (`models.TICKS`)."""
        for node_rank in range(len(self.names)):
            self.wait_for(node_rank, f"tick 2 on node {node_rank}")

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
        return Ended(self, code, outcome)

    def lines(self, node_rank: int) -> list[str]:
        """Return the lines of a rank that were shown so far."""
        if self.json_output:
            events = [json.loads(line.text) for line in self.started.lines]
            return [
                event["text"] for event in events if (event["event"], event.get("node_rank")) == ("line", node_rank)
            ]
        label = f"[{self.names[node_rank]}:{node_rank}] "
        return [line.text.removeprefix(label) for line in self.started.lines if line.text.startswith(label)]

    def log_on_node(self, node_rank: int) -> bytes:
        """Return the log of a rank as its node sees it; nothing if the rank was not started."""
        place = f"/home/{LOGIN}/.local/state/madlaunch/runs/{self.run_id}/rank{node_rank}/log"
        log = self.cluster.nodes[node_rank].path(place)
        return log.read_bytes() if log.exists() else b""

    def check_lines(self, node_ranks: Sequence[int]) -> None:
        """Fail unless the log of each rank here is that of its node, and every line of it was shown, once."""
        for node_rank in node_ranks:
            on_node = self.log_on_node(node_rank)
            here = self.log_dir / f"rank{node_rank}.log"
            assert (here.read_bytes() if here.exists() else b"") == on_node
            assert self.lines(node_rank) == on_node.decode().splitlines()

    def check_lines_so_far(self) -> None:
        """Fail unless what was shown of each rank is the beginning of the log on its node."""
        for node_rank in range(len(self.names)):
            shown = self.lines(node_rank)
            assert shown == self.log_on_node(node_rank).decode().splitlines()[: len(shown)]


@dataclass(frozen=True)
class Ended:
    """How a launch ended: the exit code of its door, and the outcome of the run."""

    going: Going
    code: int
    outcome: dict[str, Any]

    @property
    def culprit(self) -> int | None:
        """The rank of the first failure."""
        first = self.outcome["first_failure"]
        return None if first is None else int(first["node_rank"])

    @property
    def reason(self) -> str:
        """The reason of the first failure."""
        return str(self.outcome["first_failure"]["reason"])

    @property
    def states(self) -> list[str]:
        """The states of the ranks, in order."""
        return [str(rank["state"]) for rank in self.outcome["ranks"]]

    @property
    def clean(self) -> list[bool | None]:
        """Whether each host was seen to be clean, in the order of the ranks."""
        return [rank["clean"] for rank in self.outcome["ranks"]]

    def check(self, code: int, states: list[str], culprit: int | None = None, unseen: Sequence[int] = ()) -> None:
        """Fail unless the run ended so and nothing of it is left.

        Args:
            code: Exit code of the run; `ansible-playbook` has its own, 2, for all that are not 0.
            states: States of the ranks, in order.
            culprit: Rank that is named as the first failure.
            unseen: Ranks whose hosts could not be looked at, nor their logs brought here to the end.
        """
        door_code = code if self.going.json_output else 2 * bool(code)
        assert (self.code, self.outcome["exit_code"]) == (door_code, code), self.outcome["reason"]
        assert (self.culprit, self.states) == (culprit, states), self.outcome["reason"]
        assert self.clean == [None if rank in unseen else True for rank in range(len(states))]
        self.going.check_lines([rank for rank in range(len(states)) if rank not in unseen])
        check_clean(self.going.cluster)


def left_of_runs(cluster: Cluster) -> dict[str, list[str]]:
    """Return what is there of any run, by node; nodes that are down or have nothing are left out.

    The processes, the containers, and what the control node has sent, such as the listener of a preflight.
    """
    found = {}
    for node in (node for node in cluster.nodes if node.alive):
        found[node.name] = processes_of_runs(node) + [f"container {name}" for name in containers(node) if name != OTHER]
        found[node.name] += [f"node program {pid}" for pid in node_programs(node)]
        assert OTHER in containers(node), f"the container of somebody else is gone from {node.name}"
    return {name: left for name, left in found.items() if left}


def check_clean(cluster: Cluster) -> None:
    """Fail if a process or a container of any run is left on a node that is up."""
    seconds_until(lambda: left_of_runs(cluster) == {}, _GONE_WITHIN_S)
