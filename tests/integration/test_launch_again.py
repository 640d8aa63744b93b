# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch while another one of the same login is there, or was a moment ago: never two on one port, never a wait."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import LAUNCHER, REPOSITORY, environment, launch
from tests.integration.preflighting import traces
from tests.integration.running import check_nothing_left, hold_program, launch_live, seconds_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]


def test_launch_when_the_one_before_was_interrupted_in_its_preflight_then_does_not_wait(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """What the first one left on rank 0, which listens on the master port, gives way to the second."""
    cluster = make_cluster(2)
    with launch_live(cluster, tmp_path / "first", "--model", "demo_sleep") as started:
        started.wait_for_event("reachable")
        started.interrupt()
        assert started.finish().returncode == 130
    done = launch(cluster, tmp_path / "second", "--model", "demo_env")
    assert (done.returncode, done.outcome["state"]) == (0, "ok")


def test_interrupt_in_the_preflight_then_nothing_of_it_is_left_on_the_hosts(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """The master port is free again when the launcher has ended, and the nonce is gone from the shared path."""
    cluster = make_cluster(3)
    with launch_live(cluster, tmp_path, "--model", "demo_sleep") as started:
        started.wait_for_event("plan")
        # Rank 0 has its listener; the others are still on their way, or on it.
        seconds_until(lambda: traces(cluster.nodes[0]) != [], 20, 0.01)
        started.interrupt()
        done = started.finish()
    assert [traces(node) for node in cluster.nodes] == [[]] * 3
    assert (done.returncode, done.outcome["reason"]) == (130, "interrupted before anything was started")
    assert (done.of("start"), done.of("task_failed")) == ([], [])


def test_stop_when_the_run_is_still_being_checked_then_it_never_starts(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """From another machine, which knows no more than the id: clean is said only of what stays clean."""
    cluster = make_cluster(2)
    with launch_live(cluster, tmp_path / "first", "--model", "demo_sleep") as started:
        run_id = started.wait_for_event("begin")["run_id"]
        checking = hold_program(cluster.nodes[1])
        login = ["--ssh-user", cluster.access.user, "--ssh-key", str(cluster.access.key)]
        login += ["--nodes", cluster.nodes_arg(), f"--ssh-args={cluster.access.ssh_args()}"]
        stopped = cluster.run(
            [*LAUNCHER, "stop", run_id, *login], cwd=REPOSITORY, env=environment(tmp_path / "second"), timeout_s=60
        )
        os.kill(checking, signal.SIGCONT)
        done = started.finish()
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert (done.returncode, {rank["state"] for rank in done.outcome["ranks"]}) == (1, {"not_started"})
    assert "was stopped before its rank" in done.outcome["reason"] + str(done.outcome["ranks"])
    check_nothing_left(cluster)


def test_two_launches_at_once_then_one_runs_and_the_other_is_told_why(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """Whichever of the two it is, it runs undisturbed; of the other is said that the port, or the host, was taken."""
    cluster = make_cluster(2)
    words = ["--model", "demo_sleep", "--env", "DEMO_SECONDS=6"]
    with (
        launch_live(cluster, tmp_path / "one", *words) as one,
        launch_live(cluster, tmp_path / "other", *words) as other,
    ):
        ended = [one.finish(), other.finish()]
    won, lost = sorted(ended, key=lambda done: done.returncode)
    assert (won.returncode, won.outcome["state"]) == (0, "ok")
    assert (lost.returncode, lost.outcome["state"]) == (3, "preflight"), lost.outcome
    (report,) = [event for event in lost.events if event["event"] == "preflight"]
    assert {found["check"] for found in report["findings"]} <= {"master_port", "lock"}
    assert "another launch of yours" in str(report).lower() or won.outcome["run_id"] in str(report)
    check_nothing_left(cluster)
