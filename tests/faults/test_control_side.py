# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher is interrupted or killed at any moment: it cleans up, or the lease does; and the run can be taken up."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.options import NodeOptions
from tests.cluster.processes import members, namespace
from tests.faults.doors import LAUNCHER_DOOR, Door, check_clean
from tests.faults.measuring import measured
from tests.faults.models import ONE_FAILS, TICKS, status_of
from tests.integration.launching import LAUNCHER, REPOSITORY, environment
from tests.integration.models import add_model
from tests.integration.running import kill_control_side, launch_live, left_on, rank_dir, running, seconds_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster
    from tests.integration.running import Running

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LEASE_S = 10
GRACE_S = 2
# What SIGINT, SIGTERM and SIGKILL, each after its grace, and the look afterwards take.
LADDER_S = 2 * GRACE_S + 8
LINES = 500


def _ctrl_c(cluster: Cluster, started: Running) -> None:
    del cluster
    started.interrupt()


def _ctrl_c_twice(cluster: Cluster, started: Running) -> None:
    _ctrl_c(cluster, started)
    # A second one that comes sooner is taken for the same press.
    time.sleep(1.2)
    if started.process.poll() is None:
        started.interrupt()


def _sigterm(cluster: Cluster, started: Running) -> None:
    del cluster
    started.process.send_signal(signal.SIGTERM)


def _kill(cluster: Cluster, started: Running) -> None:
    del cluster
    started.process.kill()


ENDS: dict[str, Callable[[Cluster, Running], None]] = {
    "ctrl-c": _ctrl_c,
    "ctrl-c-twice": _ctrl_c_twice,
    "sigterm": _sigterm,
    "kill-9": _kill,
}
# By which event of the launcher a part of the launch is known to have begun, and how long it may last (seconds).
MOMENTS: dict[str, tuple[dict[str, Any], float]] = {
    "preflight": ({"event": "plan"}, 1.5),
    "start": ({"event": "preflight"}, 1.0),
    "run": ({"event": "line", "node_rank": 1, "text": "tick 1 of 4 on node 1"}, 2.0),
    "collect": ({"event": "line", "node_rank": 1, "text": "tick 4 of 4 on node 1"}, 1.5),
}
# Every way to end meets every moment, and some of them twice.
PAIRS = [(how, moment) for moment in MOMENTS for how in ENDS]
REPEATS = [*PAIRS, *PAIRS[8:12]]


@pytest.mark.fault("launcher-ended")
@pytest.mark.parametrize("seed", range(20), ids=lambda seed: f"{seed}-{REPEATS[seed][0]}-{REPEATS[seed][1]}")
def test_launcher_that_is_ended_at_any_moment_then_leaves_nothing(
    node_cluster: Cluster, tmp_path: Path, seed: int
) -> None:
    """Ended by a signal that it can see, it waits until all is clean; otherwise the leases end what runs."""
    how, moment = REPEATS[seed]
    event, lasts_s = MOMENTS[moment]
    words = ["--model", "demo_sleep", "--grace-s", str(GRACE_S), "--lease-s", str(LEASE_S)]
    with launch_live(node_cluster, tmp_path, *words, "--env", "DEMO_SECONDS=4") as started:
        started.wait_for_event(event["event"], **_without(event))
        time.sleep(random.Random(seed).uniform(0, lasts_s))  # noqa: S311 - repeatable on purpose
        ENDS[how](node_cluster, started)
        code = started.end()
    if how in {"ctrl-c", "sigterm"}:
        # In the last moments the run may have been over already.
        assert code in ({130, 0} if moment in {"run", "collect"} else {130})
    else:
        # A start may still be on its way to a node; only when nobody is left to make one do the leases decide alone.
        seconds_until(lambda: not _ssh_clients(node_cluster), 20)
        time.sleep(2)
        seconds_until(lambda: left_on(node_cluster) == {}, LEASE_S + LADDER_S)
    check_clean(node_cluster)


def _ssh_clients(cluster: Cluster) -> list[int]:
    """Return the processes of the control side that run a command on a node."""
    pids = members("net", namespace(cluster.control_pid, "net"))
    commands = {pid: Path(f"/proc/{pid}/cmdline") for pid in pids}
    return [pid for pid, path in commands.items() if path.exists() and path.read_bytes().startswith(b"ssh\0")]


def _without(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "event"}


@pytest.mark.fault("ctrl-c")
def test_ctrl_c_then_is_verified_clean_within_15_s_and_the_grace(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Eight nodes; exit code 130, every rank was stopped by us, and every host was looked at again."""
    cluster = make_cluster(8)
    add_model(cluster, "ticks", TICKS)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="ticks", grace_s=GRACE_S) as going:
        for rank in range(8):
            going.wait_for(rank, f"tick 3 on node {rank}")
        began_s = time.monotonic()
        going.started.interrupt()
        ended = going.end()
        took_s = time.monotonic() - began_s
    assert (ended.code, ended.outcome["state"], ended.states) == (130, "interrupted", ["stopped"] * 8)
    assert ended.clean == [True] * 8
    check_clean(cluster)
    measured("Ctrl-C to verified clean, 8 nodes", took_s, 15 + GRACE_S)


@pytest.mark.fault("rank-failure-8-nodes")
def test_rank_that_fails_among_8_then_all_others_are_gone_within_10_s_and_the_grace(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Measured on the nodes, from the end of the rank that failed to the end of the last other one."""
    cluster = make_cluster(8)
    add_model(cluster, "fails", ONE_FAILS + TICKS)
    with door.launch(cluster, tmp_path, model="fails", grace_s=GRACE_S) as going:
        ended = going.end()
    assert (ended.code, ended.culprit, ended.clean) == (door.failed, 1, [True] * 8)
    check_clean(cluster)
    ends = [status_of(node, going.run_id, node.index)["ended_at_s"] for node in cluster.nodes]
    measured(f"rank failure to all others gone, 8 nodes, {door.name}", max(ends) - ends[1], 10 + GRACE_S)


@pytest.mark.fault("kill-9")
def test_control_node_that_dies_then_the_nodes_are_clean_within_the_lease_and_10_s(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Every process of the control side is killed: the launcher or ansible-playbook, its workers, all ssh clients."""
    cluster = make_cluster(4)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks", grace_s=GRACE_S, lease_s=LEASE_S) as going:
        for rank in range(4):
            going.wait_for(rank, f"tick 3 on node {rank}")
        kill_control_side(cluster)
        took_s = seconds_until(lambda: left_on(cluster) == {}, LEASE_S + 20)
        going.started.end()
    statuses = [status_of(node, going.run_id, node.index) for node in cluster.nodes]
    assert [(status["ended_by"], status["left"]) for status in statuses] == [("lease", 0)] * 4
    measured(f"control node killed to nodes clean, lease {LEASE_S} s, {door.name}", took_s, LEASE_S + 10)


@pytest.mark.fault("attach-after-kills")
def test_attach_after_20_kills_of_the_launcher_then_shows_every_line_once(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """Who follows is killed twenty times at random moments, the launcher first; the run goes on, no line is lost."""
    cluster = make_cluster(2, NodeOptions())
    numbered = f'for n in $(seq 1 {LINES}); do echo "line $n of {LINES}"; sleep 0.2; done; echo "performance: 1 runs"\n'
    add_model(cluster, "lines", numbered)
    chance = random.Random(20)  # noqa: S311 - repeatable on purpose
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="lines", lease_s=60) as going:
        going.wait_for(1, f"line 5 of {LINES}")
        going.started.process.kill()
        going.started.end()
    attach = [*LAUNCHER, "attach", going.run_id, "--output", "json"]
    for _kill_number in range(19):
        with running(cluster, attach, environment(tmp_path), cwd=REPOSITORY) as again:
            time.sleep(chance.uniform(0.5, 4.0))
            again.process.kill()
            again.end()
    with running(cluster, attach, environment(tmp_path), cwd=REPOSITORY) as last:
        code = last.end(LINES)
        events = [json.loads(line.text) for line in last.lines]
    assert (code, events[-1]["state"]) == (0, "ok"), last.lines[-1]
    for node in cluster.nodes:
        shown = [event["text"] for event in events if (event["event"], event.get("node_rank")) == ("line", node.index)]
        on_node = rank_dir(node, going.run_id, node.index) / "log"
        assert shown == on_node.read_text().splitlines()
        counted = [line for line in shown if line.startswith("line ")]
        assert counted == [f"line {number} of {LINES}" for number in range(1, LINES + 1)]
    check_clean(cluster)
