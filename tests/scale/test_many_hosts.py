# SPDX-License-Identifier: GPL-3.0-or-later
"""256 hosts from one control node: what holds for two holds for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, read_events
from tests.integration.running import launch_live, seconds_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.loopback import LoopbackCluster
    from tests.scale.conftest import MakeHosts

HOSTS = 256
# The last rank of these 256 to start does so after more than the default lease on two processors.
WORDS = ("--nproc-per-node", "1", "--lease-s", "180")


def launched(cluster: LoopbackCluster, state: Path, model: str) -> Launch:
    """Return what a launch on all hosts gave."""
    argv = [*LAUNCHER, *cluster.launcher_args(), *WORDS, "--model", model, "--output", "json"]
    began_s = time.monotonic()
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(state), timeout_s=900)
    print(f"\n{model} on {HOSTS} hosts: {time.monotonic() - began_s:.0f} s")
    return Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)


@pytest.mark.timeout(3000)
def test_launch_when_there_are_256_hosts_then_lines_failure_and_stop_are_right(
    make_hosts: MakeHosts, tmp_path: Path
) -> None:
    """One set of hosts for all three, because to make them takes a while."""
    cluster = make_hosts(HOSTS)

    trained = launched(cluster, tmp_path / "trains", "trains")
    assert (trained.returncode, trained.errors) == (0, []), trained.outcome["reason"]
    assert [rank["state"] for rank in trained.outcome["ranks"]] == ["ok"] * HOSTS
    said = sorted((line["node_rank"], line["text"]) for line in trained.of("line") if "line of rank" in line["text"])
    assert said == [(rank, f"line of rank {rank}") for rank in range(HOSTS)]

    failed = launched(cluster, tmp_path / "fails", "fails")
    assert (failed.returncode, failed.outcome["first_failure"]["node_rank"]) == (1, 100)
    assert {rank["clean"] for rank in failed.outcome["ranks"]} == {True}
    assert sum(rank["state"] == "stopped" for rank in failed.outcome["ranks"]) == HOSTS - 1

    with launch_live(cluster, tmp_path / "sleeps", "--model", "sleeps", *WORDS) as started:
        seconds_until(lambda: sum("line of rank" in line.text for line in list(started.lines)) == HOSTS, 600, 1.0)
        pressed_s = time.monotonic()
        started.interrupt()
        stopped = started.finish(timeout_s=300)
    print(f"Ctrl-C to verified clean on {HOSTS} hosts: {time.monotonic() - pressed_s:.0f} s")
    assert (stopped.returncode, {rank["clean"] for rank in stopped.outcome["ranks"]}) == (130, {True})
    assert cluster.run_processes(stopped.outcome["run_id"]) == {}
