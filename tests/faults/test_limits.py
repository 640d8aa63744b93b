# SPDX-License-Identifier: GPL-3.0-or-later
"""The time limit and the silence limit end a run, each with its own reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import PLAYBOOK_DOOR
from tests.faults.models import DEAF_TICKS, HANGS, TICKS, enough
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

SILENCE_S = 4


@pytest.mark.fault("time-limit")
def test_time_limit_then_every_node_ends_its_rank(make_nodes: MakeNodes, tmp_path: Path, door: Door) -> None:
    """Exit code 4; the ranks are deaf, so it is the limit of the nodes and not madengine's own that ends them."""
    cluster = make_nodes(2)
    add_model(cluster, "deaf", DEAF_TICKS)
    with door.launch(cluster, tmp_path, model="deaf", timeout_s=4, grace_s=1) as going:
        ended = going.end()
    assert ended.outcome["state"] == "timeout"
    assert set(ended.states) <= {"timeout", "stopped"}
    ended.check(4, ended.states, culprit=ended.culprit)


@pytest.mark.fault("silence-limit")
def test_silence_of_all_ranks_then_ends_the_run_with_a_dump_of_each(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Exit code 4 and a reason of its own; the log says where each Python process stood."""
    cluster = make_nodes(2)
    add_model(cluster, "hangs", HANGS)
    with door.launch(cluster, tmp_path, model="hangs", silence_timeout_s=SILENCE_S, grace_s=1) as going:
        ended = going.end()
    assert ended.outcome["state"] == "silence"
    ended.check(4, ["stopped", "stopped"])
    for rank in (0, 1):
        log = (going.log_dir / f"rank{rank}.log").read_text()
        before, after = log.split(f"hangs on node {rank}\n", 1)
        assert "python3" in after
        assert "python3 -c" not in before


@pytest.mark.fault("one-rank-speaks")
def test_silence_of_one_rank_while_another_speaks_then_ends_nothing(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """Many trainings print on one rank only: only the silence of all counts."""
    cluster = make_nodes(2)
    silent = 'if [ "$NODE_RANK" = 0 ]; then until [ -e /nfs/data/enough ]; do sleep 0.2; done; exit 0; fi\n'
    add_model(cluster, "silent", silent + TICKS)
    with PLAYBOOK_DOOR.launch(cluster, tmp_path, model="silent", silence_timeout_s=SILENCE_S) as going:
        going.wait_for(1, "tick 2 on node 1")
        time.sleep(SILENCE_S + 3)
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok"])
