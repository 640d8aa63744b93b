# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes until all is clean, on eight nodes and after the control node has died; Ctrl-C of a playbook."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import LAUNCHER_DOOR, PLAYBOOK_DOOR, through_both_doors
from tests.faults.going import check_clean, left_of_runs
from tests.faults.measuring import measured
from tests.faults.models import DEAF, TICKS
from tests.integration.models import add_model
from tests.integration.running import (
    children_of,
    kill,
    kill_control_side,
    playbook_of,
    seconds_until,
    status_on,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door
    from tests.faults.going import Going

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LEASE_S = 10
GRACE_S = 2


@pytest.mark.fault("ctrl-c")
def test_ctrl_c_then_is_verified_clean_within_15_s_and_the_grace(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """Eight nodes; exit code 130, every rank was stopped by us, and every host was looked at again."""
    cluster = make_nodes(8)
    add_model(cluster, "ticks", TICKS)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="ticks", grace_s=GRACE_S) as going:
        going.wait_up()
        began_s = time.monotonic()
        going.started.interrupt()
        ended = going.end()
        took_s = time.monotonic() - began_s
    ended.check(130, ["stopped"] * 8)
    measured("Ctrl-C to verified clean, 8 nodes", took_s, 15 + GRACE_S)


@pytest.mark.fault("rank-failure-8-nodes")
def test_rank_that_fails_among_8_then_all_others_are_gone_within_10_s_and_the_grace(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Measured from the end of the rank that failed until nothing of the others is there; their trainings are deaf."""
    cluster = make_nodes(8)
    add_model(cluster, "fails", DEAF)
    with door.launch(cluster, tmp_path, model="fails", grace_s=GRACE_S) as going:
        going.wait_for(1, "rank 1 gives up")
        seconds_until(lambda: status_on(cluster.nodes[1], going.run_id, 1)["state"] == "ended", 10)
        seconds_until(lambda: left_of_runs(cluster) == {}, 2 * (10 + GRACE_S))
        gone_at_s = time.time()
        ended = going.end()
        failed_at_s = status_on(cluster.nodes[1], going.run_id, 1)["ended_at_s"]
    ended.check(1, ["stopped", "failed", *["stopped"] * 6], culprit=1)
    measured(f"rank failure to all others gone, 8 nodes, {door.name}", gone_at_s - failed_at_s, 10 + GRACE_S)


@pytest.mark.fault("kill-9")
def test_control_node_that_dies_then_the_nodes_are_clean_within_the_lease_and_10_s(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """The launcher alone, which its ansible-playbook must follow; without one, all processes of the control side."""

    def row(door: Door, cluster: Cluster, state: Path) -> None:
        with door.launch(cluster, state, model="ticks", grace_s=GRACE_S, lease_s=LEASE_S) as going:
            going.wait_up()
            if door is LAUNCHER_DOOR:
                going.started.process.kill()
            else:
                kill_control_side(cluster)
            took_s = seconds_until(lambda: left_of_runs(cluster) == {}, LEASE_S + 20, 0.4)
            going.started.end()
        _check_ended_by_lease(going)
        who = "launcher" if door is LAUNCHER_DOOR else "control node"
        measured(f"{who} killed to nodes clean, lease {LEASE_S} s", took_s, LEASE_S + 10)

    clusters = [make_nodes(3) for _door in range(2)]
    for cluster in clusters:
        add_model(cluster, "ticks", TICKS)
    through_both_doors(row, clusters, tmp_path)


def _check_ended_by_lease(going: Going) -> None:
    nodes = going.cluster.nodes
    statuses = [status_on(node, going.run_id, node.index) for node in nodes]
    assert [(status["ended_by"], status["left"]) for status in statuses] == [("lease", 0)] * len(nodes)
    going.check_lines_so_far()
    check_clean(going.cluster)


@pytest.mark.fault("ctrl-c-playbook")
def test_ctrl_c_of_ansible_playbook_then_the_leases_end_the_ranks(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """Ansible ends without a word to the nodes; an AWX job that is canceled does the same."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with PLAYBOOK_DOOR.launch(cluster, tmp_path, model="ticks", grace_s=GRACE_S, lease_s=LEASE_S) as going:
        going.wait_up()
        going.started.interrupt()
        code = going.started.end()
    assert code == 99
    seconds_until(lambda: left_of_runs(cluster) == {}, LEASE_S + 10, 0.4)
    _check_ended_by_lease(going)


@pytest.mark.fault("playbook-killed")
def test_playbook_that_is_killed_alone_then_its_workers_do_not_keep_the_run_alive(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """Only the process that was started is killed; since ansible-core 2.19 its workers have sessions of their own."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with PLAYBOOK_DOOR.launch(cluster, tmp_path, model="ticks", grace_s=GRACE_S, lease_s=LEASE_S) as going:
        going.wait_up()
        going.started.process.kill()
        took_s = seconds_until(lambda: left_of_runs(cluster) == {}, LEASE_S + 20, 0.4)
        going.started.end()
    _check_ended_by_lease(going)
    measured(f"ansible-playbook alone killed to nodes clean, lease {LEASE_S} s", took_s, LEASE_S + 10)


@pytest.mark.fault("playbook-killed-launcher-lives")
@pytest.mark.parametrize("who", ["ansible-playbook", "worker"])
def test_playbook_that_is_killed_under_its_launcher_then_that_one_stops_the_ranks(
    make_nodes: MakeNodes, tmp_path: Path, who: str
) -> None:
    """The ranks do not wait for their leases: the launcher stops them, looks, and says whose fault it was."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="ticks", grace_s=GRACE_S) as going:
        going.wait_up()
        playbook = playbook_of(cluster, going.started.process.pid)
        # A worker that is killed ends ansible-playbook: it asks for none of its results any more.
        kill([playbook] if who == "ansible-playbook" else children_of(cluster, playbook)[-1:])
        ended = going.end()
    assert (ended.code, ended.culprit, ended.states, ended.clean) == (5, None, ["lost"] * 2, [True] * 2), ended.outcome
    assert "the ranks were stopped by the launcher" in ended.outcome["reason"]
    going.check_lines_so_far()
    check_clean(cluster)
