# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the preflight share: its findings by host, what it may leave, what it costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.cluster.cluster import Cluster
    from tests.cluster.nodes import Node
    from tests.integration.launching import Launch

PREFLIGHT_FAILED = 3
MASTER_PORT = 4000
STATE = ".local/state/madlaunch"
# Lists, a line each: files of probes (`*` is expanded by the node's shell), listeners, processes beside sshd's own.
_TRACES = f"""
for path in /nfs/data/.madlaunch-* ~mluser/{STATE}/preflight-* /tmp/madlaunch-*; do
  [ ! -e "$path" ] || echo "$path"
done
ss -Hltn 'sport = :{MASTER_PORT}'
ps -u mluser -o args= | grep -v ^sshd
true
"""


def errors_of(done: Launch, node: Node) -> list[dict[str, Any]]:
    """Return the findings of one host that are errors, whole."""
    return [item for item in done.findings if item["host"] == node.address and item["severity"] == "error"]


def found(done: Launch, cluster: Cluster) -> list[tuple[str, int, str]]:
    """Return (check, number of the node, message) of all errors; nodes in messages are called `nodeN`, from 0."""
    numbers = {node.address: node.index for node in cluster.nodes}
    addresses = re.compile("|".join(map(re.escape, sorted(numbers, key=len, reverse=True))))
    return [
        (item["check"], numbers[item["host"]], addresses.sub(lambda m: f"node{numbers[m[0]]}", item["message"]))
        for item in done.findings
        if item["severity"] == "error"
    ]


def nodes_arg(nodes: Iterable[Node]) -> list[str]:
    """Return the words that make the launcher take only these nodes, in this order."""
    return ["--nodes", ",".join(node.address for node in nodes)]


def traces(node: Node) -> list[str]:
    """Return what a preflight left on a node: files, listeners and processes of the login."""
    return node.exec(["sh", "-c", _TRACES]).stdout.splitlines()


def runs(node: Node) -> list[str]:
    """Return the run directories on a node."""
    folder = node.home / STATE / "runs"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def commands_run(node: Node) -> int:
    """Return how many commands SSH sessions have run on a node since it booted, as its SSH server has logged them."""
    return node.path("/run/node/sshd.log").read_text().count("Starting session: command")
