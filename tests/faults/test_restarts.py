# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole gang is started again after a failure: as often as allowed, clean in between, every attempt kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import LAUNCHER_DOOR
from tests.faults.going import check_clean
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door
    from tests.faults.going import Going

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

# The shared file system tells the attempts apart: rank 1 fails as long as it has not failed so often.
FAILS_TWICE = """
echo "attempt begins on node $NODE_RANK"
if [ "$NODE_RANK" = 1 ]; then
  echo x >> /nfs/data/failures
  [ "$(wc -l < /nfs/data/failures)" -gt 2 ] || { sleep 1; exit 9; }
fi
for number in 1 2 3; do echo "tick $number"; sleep 1; done
echo "performance: 1 runs"
"""


def _check_lines(going: Going, attempts: int) -> None:
    """Fail unless each attempt has its log, as its node has it, and all lines of all attempts were shown, once."""
    for rank, node in enumerate(going.cluster.nodes):
        runs = node.home / ".local/state/madlaunch/runs" / going.run_id
        places = ["", *[f"attempt{number}" for number in range(1, attempts)]]
        on_node = [(runs / place / f"rank{rank}" / "log").read_text() for place in places]
        assert [(going.log_dir / place / f"rank{rank}.log").read_text() for place in places] == on_node
        assert [log.count(f"attempt begins on node {rank}") for log in on_node] == [1] * attempts
        assert going.lines(rank) == "".join(on_node).splitlines()


@pytest.mark.fault("restart")
def test_gang_that_fails_twice_then_is_good_at_the_third_start(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """One run id; the logs of each attempt are kept, and so is what each came to."""
    cluster = make_nodes(2)
    add_model(cluster, "fails_twice", FAILS_TWICE)
    with door.launch(cluster, tmp_path, model="fails_twice", max_restarts=3) as going:
        ended = going.end(180)
    assert (ended.code, ended.outcome["attempt"], ended.states, ended.clean) == (0, 2, ["ok", "ok"], [True, True])
    attempts = ended.outcome["attempts"]
    assert [(one["attempt"], one["state"], one["first_failure"]["node_rank"]) for one in attempts] == [
        (0, "failed", 1),
        (1, "failed", 1),
    ]
    _check_lines(going, attempts=3)
    assert json.loads((going.log_dir / "summary.json").read_text())["outcome"]["attempt"] == 2
    check_clean(cluster)


@pytest.mark.fault("restarts-used-up")
def test_gang_that_fails_more_often_than_allowed_then_has_failed(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """The last failure is the outcome, and the reason says that no restart is left."""
    cluster = make_nodes(2)
    add_model(cluster, "fails_twice", FAILS_TWICE)
    with door.launch(cluster, tmp_path, model="fails_twice", max_restarts=1) as going:
        ended = going.end(120)
    assert (ended.outcome["exit_code"], ended.code != 0) == (1, True)
    assert (ended.culprit, ended.outcome["attempt"], ended.clean) == (1, 1, [True, True])
    assert ended.outcome["reason"].endswith("; not started again: all 1 restarts were used")
    _check_lines(going, attempts=2)
    check_clean(cluster)


@pytest.mark.fault("ctrl-c-restart")
def test_ctrl_c_in_a_later_attempt_then_is_the_end(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """Exit code 130; the run is not started again."""
    cluster = make_nodes(2)
    add_model(cluster, "fails_twice", FAILS_TWICE)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="fails_twice", max_restarts=5) as going:
        going.started.wait_for(lambda line: json.loads(line)["event"] == "attempt", 60)
        going.started.wait_for(lambda line: "attempt1/rank1" in line, 60)
        going.started.interrupt()
        ended = going.end()
    assert (ended.code, ended.outcome["state"], ended.outcome["attempt"]) == (130, "interrupted", 1)
    assert (ended.culprit, ended.clean) == (None, [True, True])
    check_clean(cluster)
