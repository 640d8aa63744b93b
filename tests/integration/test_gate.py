# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks begin together: nothing runs before the slowest host is ready, and waiting for it costs no rank its lease."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.running import (
    check_nothing_left,
    hold_program,
    launch_live,
    left_on,
    playbook_of,
    processes_of_runs,
    rank_dir,
    seconds_until,
    status_on,
)

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LEASE_S = 10
SLOW_S = 14.0
FILES = 5000
WORDS = ["--model", "demo_sleep", "--env", "DEMO_SECONDS=2", "--lease-s", str(LEASE_S), "--grace-s", "1"]


def enlarge(cluster: Cluster) -> None:
    """Give the last node a checkout whose copy takes a moment, so that it can be caught."""
    folder = cluster.nodes[-1].home / "MAD/many"
    folder.mkdir()
    for number in range(FILES):
        (folder / str(number)).touch()


def make_slow(cluster: Cluster) -> int:
    """Stop the start on the last node in its midst; return its process."""
    node = cluster.nodes[-1]
    # From then on it is the program that makes the rank ready.
    seconds_until(lambda: any(node.home.glob(".local/state/madlaunch/runs/*/rank*")), 60, 0.002)
    return hold_program(node)


def at_gate(cluster: Cluster, run_id: str) -> bool:
    """Say whether the other ranks are ready and wait."""
    try:
        found = [status_on(node, run_id, rank) for rank, node in enumerate(cluster.nodes[:-1])]
    except (OSError, ValueError):
        return False
    return [(one["state"], one.get("gate")) for one in found] == [("starting", "closed")] * len(found)


def run_id_of(cluster: Cluster) -> str:
    """Return the id of the run that a node has."""
    return next(cluster.nodes[-1].home.glob(".local/state/madlaunch/runs/*")).name


def test_slow_host_when_it_starts_then_all_ranks_begin_together(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """A start that takes longer than the lease ends no other rank, and no rank runs before it is done."""
    cluster = make_cluster(3)
    enlarge(cluster)
    with launch_live(cluster, tmp_path, *WORDS) as started:
        pid = make_slow(cluster)
        run_id = run_id_of(cluster)
        seconds_until(lambda: at_gate(cluster, run_id), 20)
        time.sleep(SLOW_S)
        assert at_gate(cluster, run_id)
        os.kill(pid, signal.SIGCONT)
        done = started.finish()
    assert (done.returncode, done.outcome["state"]) == (0, "ok"), done.outcome["reason"]
    began = [rank["started_at_s"] for rank in done.outcome["ranks"]]
    assert max(began) - min(began) < SLOW_S / 2
    check_nothing_left(cluster)


def test_interrupt_when_a_host_still_starts_then_nothing_has_run(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """The ranks that were ready end at their gates."""
    cluster = make_cluster(3)
    enlarge(cluster)
    with launch_live(cluster, tmp_path, *WORDS) as started:
        pid = make_slow(cluster)
        run_id = run_id_of(cluster)
        seconds_until(lambda: at_gate(cluster, run_id), 20)
        started.interrupt()
        time.sleep(1.0)
        os.kill(pid, signal.SIGCONT)
        done = started.finish()
    assert (done.returncode, done.outcome["state"]) == (130, "interrupted")
    logs = [rank_dir(node, run_id, rank) / "log" for rank, node in enumerate(cluster.nodes[:-1])]
    assert [log.read_bytes() for log in logs] == [b""] * 2
    assert [rank["exit_code"] for rank in done.outcome["ranks"]] == [None] * 3
    check_nothing_left(cluster)


def test_playbook_when_killed_while_ranks_wait_for_a_slow_host_then_their_leases_end_them(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """The workers that hold the ranks outlive ansible-playbook; they must not hold what nobody watches."""
    cluster = make_cluster(3)
    enlarge(cluster)
    with launch_live(cluster, tmp_path, *WORDS) as started:
        pid = make_slow(cluster)
        run_id = run_id_of(cluster)
        seconds_until(lambda: at_gate(cluster, run_id), 20)
        playbook = playbook_of(cluster, started.process.pid)
        os.kill(started.process.pid, signal.SIGKILL)
        os.kill(playbook, signal.SIGKILL)
        seconds_until(lambda: not any(processes_of_runs(node) for node in cluster.nodes[:-1]), LEASE_S + 10)
        os.kill(pid, signal.SIGCONT)
    seconds_until(lambda: left_on(cluster) == {}, LEASE_S + 10)
