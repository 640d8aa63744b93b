# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is said to have been is what it was, with madengine 1 and 2, whatever exit codes they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.nodes import kill_all
from tests.cluster.options import NodeOptions
from tests.integration.launching import launch
from tests.integration.models import add_model, wrap_madengine
from tests.integration.running import check_nothing_left, launch_live

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster
    from tests.integration.launching import Launch

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

VERSIONS = pytest.mark.parametrize("version", ["1", "2"])
# What madengine itself gives back when the model has failed.
EXIT_CODES = {"1": 0, "2": 3}
GANG_REASON = "stopped by the launch because another rank had failed"


def _states(done: Launch) -> list[str]:
    return [rank["state"] for rank in done.outcome["ranks"]]


@VERSIONS
def test_rank_that_fails_then_is_named_and_the_others_are_stopped(
    make_cluster: MakeCluster, tmp_path: Path, version: str
) -> None:
    """The first failure has host, rank, reason and last lines, also with v1, which ends with exit code 0."""
    cluster = make_cluster(3, NodeOptions(madengine=version))
    done = launch(cluster, tmp_path, "--model", "demo_fail", "--grace-s", "5", "--env", "DEMO_SECONDS=600")
    assert (done.returncode, done.outcome["state"], _states(done)) == (1, "failed", ["stopped", "failed", "stopped"])
    failure, rank = done.outcome["first_failure"], done.outcome["ranks"][1]
    assert (failure["host"], failure["node_rank"]) == (cluster.nodes[1].address, 1)
    assert failure["reason"] == rank["reason"]
    assert rank["reason"].startswith("the model's script ended with exit code 7 (madengine itself ended with")
    assert (rank["exit_code"], rank["signal"]) == (EXIT_CODES[version], None)
    assert rank["last_lines"][-1] == "demo_fail: node 1 ends with exit code 7"
    assert "demo_fail: node 1 ends with exit code 7" in done.lines(1)
    assert {done.outcome["ranks"][stopped]["reason"] for stopped in (0, 2)} == {GANG_REASON}
    check_nothing_left(cluster)


def test_rank_that_fails_when_told_to_wait_then_leaves_the_others(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """With `--on-failure wait` the others train to their end; the run has failed all the same."""
    cluster = make_cluster(2)
    env = ["--env", "DEMO_SECONDS=5", "--env", "DEMO_FAIL_AFTER_S=0"]
    done = launch(cluster, tmp_path, "--model", "demo_fail", "--on-failure", "wait", *env)
    assert (done.returncode, _states(done)) == (1, ["ok", "failed"])
    assert done.outcome["first_failure"]["node_rank"] == 1
    waited, failed = done.outcome["ranks"]
    assert waited["ended_at_s"] - failed["ended_at_s"] > 3
    assert [value["metric"] for value in waited["performance"]] == ["runs_per_minute"]


# The last line has no end, so madengine's next words stand right behind it.
ONE_SPEAKS = """
[ "$NODE_RANK" = 0 ] || echo "performance: 12 things"
printf 'a last line without an end'
"""


@VERSIONS
def test_rank_without_performance_when_another_has_it_then_is_ok(
    make_cluster: MakeCluster, tmp_path: Path, version: str
) -> None:
    """One value is enough for a run, though v1 records FAILURE for each rank that has none."""
    cluster = make_cluster(2, NodeOptions(madengine=version))
    add_model(cluster, "one_speaks", ONE_SPEAKS)
    done = launch(cluster, tmp_path, "--model", "one_speaks")
    assert (done.returncode, done.outcome["state"], _states(done)) == (0, "ok", ["ok", "ok"]), done.outcome["reason"]
    silent, speaking = done.outcome["ranks"]
    assert silent["reason"] == "exit code 0; the model ran to its end; this rank reported no performance value"
    assert (silent["performance"], [value["performance"] for value in speaking["performance"]]) == ([], ["12"])


@VERSIONS
def test_run_without_any_performance_then_has_failed(make_cluster: MakeCluster, tmp_path: Path, version: str) -> None:
    """No rank did anything wrong, but nothing proves a training, and the reason is that."""
    cluster = make_cluster(2, NodeOptions(madengine=version))
    done = launch(cluster, tmp_path, "--model", "demo_noperf")
    assert (done.returncode, done.outcome["state"], _states(done)) == (1, "failed", ["ok", "ok"])
    assert done.outcome["reason"].startswith("all 2 ranks ended clean, but none reported a performance value")
    assert done.outcome["first_failure"] is None


def test_rank_that_is_killed_then_is_named_with_the_signal(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """SIGKILL from outside, as when memory runs out: a failure of that rank, and nothing of it stays on its node."""
    cluster = make_cluster(2)
    with launch_live(cluster, tmp_path, "--model", "demo_sleep", "--grace-s", "5") as started:
        started.wait_for_text(1, "tick 1 of 60 on node 1")
        madengine = [process for process in cluster.nodes[1].processes() if "--tags" in process.argv]
        assert len(madengine) == 1
        kill_all(madengine)
        done = started.finish()
    assert (done.returncode, done.outcome["state"], _states(done)) == (1, "failed", ["stopped", "failed"])
    assert (done.outcome["ranks"][1]["exit_code"], done.outcome["ranks"][1]["signal"]) == (None, 9)
    assert done.outcome["first_failure"]["reason"].startswith("madengine was killed by signal 9 (SIGKILL)")
    check_nothing_left(cluster)


# A madengine that knows nothing of this run: it takes neither the variables nor the context file.
FORGETS = """
unset MAD_MULTI_NODE_RUNNER
args=()
while [ $# -gt 0 ]; do
  if [ "$1" = --additional-context-file ]; then shift 2; else args+=("$1"); shift; fi
done
exec madengine "${args[@]}"
"""


def test_v2_that_trained_alone_then_is_found(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Every rank trains by itself, says SUCCESS and ends with 0; the missing proof of the runner makes it a failure."""
    cluster = make_cluster(2)
    add_model(cluster, "alone", 'echo "performance: 12 things"\n')
    done = launch(cluster, tmp_path, "--model", "alone", "--madengine-path", wrap_madengine(cluster, FORGETS))
    assert (done.returncode, done.outcome["state"]) == (1, "failed")
    assert {rank["exit_code"] for rank in done.outcome["ranks"] if rank["state"] == "failed"} == {0}
    expected = "the model trained alone, not as rank {} of 2: its runner was 'torchrun --standalone --nproc_per_node=2'"
    failure = done.outcome["first_failure"]
    assert failure["reason"] == expected.format(failure["node_rank"])
