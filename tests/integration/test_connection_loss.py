# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection that drops costs no line; a host that stays away ends the run, and leaves nothing anywhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.models import add_model
from tests.integration.running import (
    check_nothing_left,
    kill_connections,
    launch_live,
    left_on,
    processes_of_runs,
    seconds_until,
    status_on,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LINES = 300
SLOW_LINES = f"""
for number in $(seq 1 {LINES}); do echo "node $NODE_RANK line $number of {LINES}"; sleep 0.05; done
echo "performance: 1 runs"
"""
CUT_S = 5.0
RECOVERY = ["no answer", "connected"]
LEASE_S = 10
GRACE_S = 1


def test_connection_that_drops_when_it_is_back_then_goes_on_where_it_was(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """Sessions are killed, then the node is cut off and the clients are killed: all lines are there, once, in order."""
    cluster = make_cluster(2)
    add_model(cluster, "slow_lines", SLOW_LINES)
    node = cluster.nodes[1]
    with launch_live(cluster, tmp_path, "--model", "slow_lines") as started:
        started.wait_for_text(1, f"node 1 line 20 of {LINES}")
        node.drop_sessions()
        started.wait_for_text(1, f"node 1 line 60 of {LINES}")
        node.cut(silent=True)
        # By now a poll has been sent and has no answer.
        time.sleep(1.0)
        kill_connections(cluster, node.address)
        time.sleep(CUT_S)
        node.mend()
        done = started.finish()
    assert (done.returncode, done.outcome["state"]) == (0, "ok"), done.outcome["reason"]
    for rank in (0, 1):
        numbered = [line for line in done.lines(rank) if line.startswith("node ")]
        assert numbered == [f"node {rank} line {number} of {LINES}" for number in range(1, LINES + 1)]
        on_node = cluster.nodes[rank].home / ".local/state/madlaunch/runs" / done.outcome["run_id"] / f"rank{rank}/log"
        assert done.log(rank) == on_node.read_bytes()
    # Between two polls the first loss costs nothing: the next poll finds a new connection.
    notes = [event["text"].removeprefix(f"{node.address} (rank 1): ")[:9] for event in done.of("note")]
    assert [note for note in notes if note in ("no answer", "connected")] in (RECOVERY, RECOVERY * 2)


def test_node_that_stays_away_then_is_lost_and_the_others_are_stopped(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """Its rank is ended by the lease on the cut node itself, the others by the launch; exit code 1, within a bound."""
    cluster = make_cluster(3)
    words = ["--model", "demo_sleep", "--lease-s", str(LEASE_S), "--grace-s", str(GRACE_S)]
    # As the launcher's own, but the client notices sooner that nobody answers.
    words += [f"--ssh-args={cluster.access.ssh_args()} -o ServerAliveInterval=1 -o ConnectTimeout=3"]
    with launch_live(cluster, tmp_path, *words, "--env", "DEMO_SECONDS=600") as started:
        for rank in range(3):
            started.wait_for_text(rank, f"tick 1 of 600 on node {rank}")
        cluster.nodes[1].cut(silent=True)
        cut_at_s = time.time()
        alone_s = seconds_until(lambda: processes_of_runs(cluster.nodes[1]) == [], timeout_s=LEASE_S + 10)
        assert [len(left_on(cluster)), started.process.poll()] == [2, None]
        done = started.finish()
        ended_s = time.time() - cut_at_s
    assert (done.returncode, done.outcome["state"]) == (1, "failed")
    assert [rank["state"] for rank in done.outcome["ranks"]] == ["stopped", "lost", "stopped"]
    assert done.outcome["first_failure"]["host"] == cluster.nodes[1].address
    assert done.outcome["first_failure"]["reason"].startswith("the host no longer answers: ")
    check_nothing_left(cluster)
    assert status_on(cluster.nodes[1], done.outcome["run_id"], 1)["ended_by"] == "lease"
    # Noticed within 3 s, given up after the lease, two graces and 10 s; one more try of 3 s, and the stop.
    assert alone_s < LEASE_S + 2 * GRACE_S + 5
    assert ended_s < 3 + LEASE_S + 2 * GRACE_S + 10 + 3 + 20
