# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that has to end ends: by its time limit, with its control node or without, and by an interrupt."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, launch, read_events
from tests.integration.models import add_model, wrap_madengine
from tests.integration.running import (
    check_nothing_left,
    kill_control_side,
    launch_live,
    left_on,
    rank_dir,
    seconds_until,
    status_on,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

TIMEOUT_S = 8
GRACE_S = 1
# SIGINT and SIGTERM with a grace each, SIGKILL, and what a busy machine takes for it.
LADDER_S = 2 * GRACE_S + 8
# The limit is kept by another clock than the times in the record, and begins a little earlier.
CLOCKS_S = 0.5


# On rank 1 nothing but SIGKILL ends it; on the other it is the stand-in, which ends its own model on SIGINT.
DEAF = """
[ "$MADLAUNCH_NODE_RANK" = 1 ] || exec madengine "$@"
trap '' INT TERM HUP
while :; do sleep 1; done
"""


def test_rank_that_ignores_signals_when_time_is_up_then_is_killed(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Exit code 4; a madengine that hangs took the whole ladder up to SIGKILL, and nothing is left of any rank."""
    cluster = make_cluster(2)
    words = ["--model", "demo_hang", "--timeout", "4", "--grace-s", str(GRACE_S)]
    done = launch(cluster, tmp_path, *words, "--madengine-path", wrap_madengine(cluster, DEAF))
    assert (done.returncode, done.outcome["state"]) == (4, "timeout")
    reasons = [(rank["state"], rank["reason"]) for rank in done.outcome["ranks"]]
    assert reasons == [("timeout", "the time limit of 4 s was reached")] * 2
    check_nothing_left(cluster)
    polite_s, deaf_s = [rank["ended_at_s"] - rank["started_at_s"] for rank in done.outcome["ranks"]]
    assert [done.outcome["ranks"][1]["signal"], done.outcome["ranks"][0]["signal"]] == [9, None]
    assert 4 - CLOCKS_S < polite_s < deaf_s
    assert 4 + 2 * GRACE_S - CLOCKS_S < deaf_s < 4 + LADDER_S


def test_limit_when_the_control_node_is_gone_then_is_kept_by_the_nodes(node_cluster: Cluster, tmp_path: Path) -> None:
    """The launcher, Ansible and all ssh clients are killed, and no lease is set: the ranks end at their limit."""
    words = ["--model", "demo_sleep", "--lease-s", "0", "--timeout", str(TIMEOUT_S), "--grace-s", str(GRACE_S)]
    with launch_live(node_cluster, tmp_path, *words, "--env", "DEMO_SECONDS=600") as started:
        for rank in range(4):
            started.wait_for_text(rank, f"tick 1 of 600 on node {rank}")
        run_id = started.events[0]["run_id"]
        kill_control_side(node_cluster)
    began_s = min(status_on(node, run_id, node.index)["started_at_s"] for node in node_cluster.nodes)
    time.sleep(max(0.0, began_s + TIMEOUT_S - 1.5 - time.time()))
    assert len(left_on(node_cluster)) == 4
    seconds_until(lambda: left_on(node_cluster) == {}, timeout_s=1.5 + LADDER_S)
    endings = [status_on(node, run_id, node.index) for node in node_cluster.nodes]
    assert [(status["state"], status["ended_by"], status["left"]) for status in endings] == [
        ("ended", "timeout", 0)
    ] * 4


# 600 lines of 100 characters a second for 18 seconds, on each rank.
STEADY = """
for second in $(seq 18); do
  seq -f "second $second of node $NODE_RANK, line %080.0f" 600
  sleep 1
done
echo "performance: 1 runs"
"""


@pytest.mark.slow
def test_screen_when_it_stands_still_then_no_rank_is_ended_and_no_line_lost(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """Ctrl-S, a pager, a laptop asleep: the lines wait, the ranks are heard from all the same."""
    cluster = make_cluster(2)
    add_model(cluster, "steady", STEADY)
    argv = [*LAUNCHER, *cluster.launcher_args(), "--output", "json", "--model", "steady", "--lease-s", "10"]
    process = cluster.popen(argv, cwd=REPOSITORY, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
    with process:
        time.sleep(20)
        output, _errors = process.communicate(timeout=60)
    done = Launch(process.returncode, read_events(output.splitlines()), "")
    assert (done.returncode, done.outcome["state"]) == (0, "ok")
    for rank in range(2):
        lines = [line for line in done.lines(rank) if line.startswith("second ")]
        assert lines == [
            f"second {second} of node {rank}, line {line:080}" for second in range(1, 19) for line in range(1, 601)
        ]


def test_interrupt_when_ranks_run_then_stops_them(node_cluster: Cluster, tmp_path: Path) -> None:
    """One Ctrl-C: the launcher waits until all ranks are stopped, says so, and ends with 130."""
    with launch_live(node_cluster, tmp_path, "--model", "demo_sleep", "--grace-s", "5") as started:
        for rank in range(4):
            started.wait_for_text(rank, f"tick 1 of 60 on node {rank}")
        started.interrupt()
        done = started.finish()
    assert (done.returncode, done.outcome["state"], done.outcome["exit_code"]) == (130, "interrupted", 130)
    assert [(rank["state"], rank["reason"]) for rank in done.outcome["ranks"]] == [
        ("stopped", "stopped because the launch was interrupted")
    ] * 4
    check_nothing_left(node_cluster)
    statuses = [status_on(node, done.outcome["run_id"], node.index) for node in node_cluster.nodes]
    assert [(status["ended_by"], status["left"]) for status in statuses] == [("stop", 0)] * 4
    # It was SIGINT that ended madengine: only then does the real one remove its container.
    assert [rank["signal"] or rank["exit_code"] for rank in done.outcome["ranks"]] != [9] * 4


@pytest.mark.parametrize("moment", ["plan", "reachable", "preflight"])
def test_interrupt_when_nothing_runs_yet_then_nothing_is_started(
    node_cluster: Cluster, tmp_path: Path, moment: str
) -> None:
    """Exit code 130, at whatever step of the preflight it comes, and no rank runs afterwards."""
    with launch_live(node_cluster, tmp_path, "--model", "demo_sleep", "--grace-s", "5") as started:
        started.wait_for_event(moment)
        started.interrupt()
        done = started.finish()
    assert (done.returncode, done.outcome["state"]) == (130, "interrupted")
    time.sleep(1.0)
    run_id = done.outcome["run_id"]
    if moment != "preflight":
        assert [node.name for node in node_cluster.nodes if rank_dir(node, run_id, node.index).exists()] == []
    check_nothing_left(node_cluster)
    record = json.loads((tmp_path / "runs" / run_id / "run.json").read_text())
    assert (record["exit_code"], record["outcome"]["state"]) == (130, "interrupted")
