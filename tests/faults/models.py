# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings that go wrong, each in its own way, and how the processes of one are found on a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.running import status_on

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.nodes import Node

# Goes on until it is `enough`, which it sees on the file system that all nodes share.
TICKS = """
number=0
until [ -e /nfs/data/enough ]; do number=$((number + 1)); echo "tick $number on node $NODE_RANK"; sleep 0.5; done
echo "performance: 1 runs"
"""

# One line; then nothing is heard of it until the end.
SILENT = """
echo "silent on node $NODE_RANK"
until [ -e /nfs/data/enough ]; do sleep 0.5; done
echo "performance: 1 runs"
"""

_UP = 'touch "/nfs/data/up.$NODE_RANK"\n'
# Rank 1 ends as soon as the others have said that they are there.
_RANK_1_FAILS = """
if [ "$NODE_RANK" = 1 ]; then
  until [ "$(ls /nfs/data | grep -c '^up[.]')" -ge "$NNODES" ]; do sleep 0.1; done
  echo "rank 1 gives up"
  exit 9
fi
"""
ONE_FAILS = _UP + _RANK_1_FAILS
_DEAF = "trap '' INT TERM HUP\n"
DEAF_TICKS = _DEAF + TICKS
DEAF = _DEAF + ONE_FAILS + 'echo "deaf on node $NODE_RANK"\n' + TICKS
# What tries to get away: a session of its own, no parent, no open file, no name.
_ESCAPED = """
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
open("/nfs/data/up." + os.environ["NODE_RANK"], "w").close()
time.sleep(600)
"""
ESCAPES = f"""
[ "$NODE_RANK" != 1 ] || {_UP}
{_RANK_1_FAILS}
exec python3 -c '{_ESCAPED}'
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


def enough(cluster: Cluster) -> None:
    """Let the training end well, on all nodes."""
    (cluster.shared / "enough").touch()


def kill_recorded(node: Node, run_id: str, node_rank: int, who: str) -> None:
    """Kill (SIGKILL) the `child` or the `supervisor` of a rank."""
    node.exec(["kill", "-9", str(status_on(node, run_id, node_rank)[who]["pid"])])
