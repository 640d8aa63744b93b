# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings that go wrong, each in its own way, and how the processes of one are found on a node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.integration.running import rank_dir

if TYPE_CHECKING:
    from tests.cluster.nodes import Node

TICKS = """
for number in $(seq 1 600); do echo "tick $number on node $NODE_RANK"; sleep 0.2; done
echo "performance: 1 runs"
"""

# Rank 1 ends as soon as the others have said that they are there.
ONE_FAILS = """
if [ "$NODE_RANK" = 1 ]; then sleep 3; echo "rank 1 gives up"; exit 9; fi
"""
DEAF = (
    ONE_FAILS
    + """
trap '' INT TERM HUP
echo "deaf on node $NODE_RANK"
while :; do sleep 1; done
"""
)
# What tries to get away: a session of its own, no parent, no open file, no name.
ESCAPED = """
import os, signal, time
for _ in range(2):
    if os.fork():
        continue
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 256)
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
    os._exit(0)
print("children are away", flush=True)
time.sleep(600)
"""
ESCAPES = f"""
if [ "$NODE_RANK" = 1 ]; then sleep 3; echo "rank 1 gives up"; exit 9; fi
exec python3 -c '{ESCAPED}'
"""
# A hang: a line, then nothing; one process of it is Python, as those of a training are.
HANGS = """
echo "hangs on node $NODE_RANK"
exec python3 -c '
import time
def waits_for_the_others():
    time.sleep(600)
waits_for_the_others()
'
"""


def status_of(node: Node, run_id: str, node_rank: int) -> dict[str, Any]:
    """Return what the node has recorded of a rank."""
    return dict(json.loads((rank_dir(node, run_id, node_rank) / "status.json").read_text()))


def kill_recorded(node: Node, run_id: str, node_rank: int, who: str) -> None:
    """Kill (SIGKILL) the `child` or the `supervisor` of a rank."""
    node.exec(["kill", "-9", str(status_of(node, run_id, node_rank)[who]["pid"])])
