# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole gang is started again after a failure: as often as allowed, clean in between, every attempt kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import LAUNCHER_DOOR, Door, check_clean
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

# The shared file system tells the attempts apart: rank 1 fails as long as it has not failed so often.
FAILS_TWICE = """
echo "attempt begins on node $NODE_RANK"
if [ "$NODE_RANK" = 1 ]; then
  echo x >> /nfs/data/failures
  [ "$(wc -l < /nfs/data/failures)" -gt 2 ] || { sleep 2; exit 9; }
fi
for number in 1 2 3 4; do echo "tick $number"; sleep 1; done
echo "performance: 1 runs"
"""


@pytest.mark.fault("restart")
def test_gang_that_fails_twice_then_is_good_at_the_third_start(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """One run id; the logs of each attempt are kept, and so is what each came to."""
    cluster = make_cluster(2)
    add_model(cluster, "fails_twice", FAILS_TWICE)
    with door.launch(cluster, tmp_path, model="fails_twice", max_restarts=3) as going:
        ended = going.end(180)
    assert (ended.code, ended.outcome["attempt"], ended.states, ended.clean) == (0, 2, ["ok", "ok"], [True, True])
    attempts = ended.outcome["attempts"]
    assert [(one["attempt"], one["state"], one["first_failure"]["node_rank"]) for one in attempts] == [
        (0, "failed", 1),
        (1, "failed", 1),
    ]
    runs = cluster.nodes[1].home / ".local/state/madlaunch/runs" / going.run_id
    for number, place in enumerate(("", "attempt1", "attempt2")):
        here, there = going.log_dir / place / "rank1.log", runs / place / "rank1" / "log"
        assert here.read_bytes() == there.read_bytes()
        assert here.read_text().count("attempt begins on node 1") == 1, number
    assert json.loads((going.log_dir / "summary.json").read_text())["outcome"]["attempt"] == 2
    check_clean(cluster)


@pytest.mark.fault("restarts-used-up")
def test_gang_that_fails_more_often_than_allowed_then_has_failed(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """The last failure is the outcome, and the reason says that no restart is left."""
    cluster = make_cluster(2)
    add_model(cluster, "fails_twice", FAILS_TWICE)
    with door.launch(cluster, tmp_path, model="fails_twice", max_restarts=1) as going:
        ended = going.end(120)
    assert (ended.code, ended.culprit, ended.outcome["attempt"]) == (door.failed, 1, 1)
    assert ended.outcome["reason"].endswith("; not started again: all 1 restarts were used")
    assert ended.clean == [True, True]
    check_clean(cluster)


@pytest.mark.fault("ctrl-c-restart")
def test_ctrl_c_in_a_later_attempt_then_is_the_end(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Exit code 130; the run is not started again."""
    cluster = make_cluster(2)
    add_model(cluster, "fails_twice", FAILS_TWICE)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="fails_twice", max_restarts=5) as going:
        going.started.wait_for(lambda line: json.loads(line)["event"] == "attempt", 60)
        going.started.wait_for(lambda line: "attempt1/rank1" in line, 60)
        going.started.interrupt()
        ended = going.end()
    assert (ended.code, ended.outcome["state"], ended.outcome["attempt"]) == (130, "interrupted", 1)
    assert ended.clean == [True, True]
    check_clean(cluster)
