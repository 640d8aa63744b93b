# SPDX-License-Identifier: GPL-3.0-or-later
"""The time limit and the silence limit end a run, each with its own reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import Door, check_clean
from tests.faults.models import HANGS, TICKS
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]


@pytest.mark.fault("time-limit")
def test_time_limit_then_every_node_ends_its_rank(make_cluster: MakeCluster, tmp_path: Path, door: Door) -> None:
    """Exit code 4, whether madengine's own limit or that of the node was first."""
    cluster = make_cluster(2)
    add_model(cluster, "deaf", "trap '' INT TERM HUP\n" + TICKS)
    with door.launch(cluster, tmp_path, model="deaf", timeout_s=5, grace_s=1) as going:
        ended = going.end()
    assert (ended.code, ended.outcome["state"], ended.outcome["exit_code"]) == (door.limit, "timeout", 4)
    assert set(ended.states) <= {"timeout", "stopped"}
    assert ended.clean == [True, True]
    going.check_lines(0, 1)
    check_clean(cluster)


@pytest.mark.fault("silence-limit")
def test_silence_of_all_ranks_then_ends_the_run_with_a_dump_of_each(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Exit code 4 and a reason of its own; the log says where each Python process stood."""
    cluster = make_cluster(2)
    add_model(cluster, "hangs", HANGS)
    with door.launch(cluster, tmp_path, model="hangs", silence_timeout_s=5, grace_s=1) as going:
        ended = going.end()
    assert (ended.code, ended.outcome["state"], ended.outcome["exit_code"]) == (door.limit, "silence", 4)
    assert (ended.culprit, ended.states, ended.clean) == (None, ["stopped", "stopped"], [True, True])
    for rank in (0, 1):
        log = (going.log_dir / f"rank{rank}.log").read_text()
        before, after = log.split(f"hangs on node {rank}\n", 1)
        assert "python3" in after
        assert "python3 -c" not in before
    going.check_lines(0, 1)
    check_clean(cluster)


@pytest.mark.fault("one-rank-speaks")
def test_silence_of_one_rank_while_another_speaks_then_ends_nothing(
    make_cluster: MakeCluster, tmp_path: Path, door: Door
) -> None:
    """Many trainings print on one rank only: only the silence of all counts."""
    cluster = make_cluster(2)
    quiet = 'if [ "$NODE_RANK" = 0 ]; then sleep 12; exit 0; fi\n'
    add_model(cluster, "quiet", quiet + TICKS.replace("seq 1 600", "seq 1 60"))
    with door.launch(cluster, tmp_path, model="quiet", silence_timeout_s=5, grace_s=1) as going:
        ended = going.end()
    assert (ended.code, ended.states, ended.clean) == (0, ["ok", "ok"], [True, True])
    check_clean(cluster)
