# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is lost for good: its own lease ends its rank, the others are stopped, and it is named as not looked at.

Most of this is waiting for the lease, so a row goes through both doors at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import through_both_doors
from tests.faults.models import TICKS
from tests.integration.models import add_model
from tests.integration.running import processes_of_runs, seconds_until, status_on

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door
    from tests.faults.going import Going

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LEASE_S = 10
# Seconds from the moment at which the host is given up: lease, two graces, 10; then a last try, and the stop.
GIVEN_UP_S = 60
STATES = ["stopped", "lost", "stopped"]


def _launched(door: Door, cluster: Cluster, state: Path) -> AbstractContextManager[Going]:
    """Start a launch whose ssh notices soon that nobody answers."""
    ssh_args = f"{cluster.access.ssh_args()} -o ServerAliveInterval=1 -o ConnectTimeout=3"
    return door.launch(cluster, state, model="ticks", lease_s=LEASE_S, grace_s=1, ssh_args=ssh_args)


def _nodes(make_nodes: MakeNodes) -> list[Cluster]:
    clusters = [make_nodes(3) for _door in range(2)]
    for cluster in clusters:
        add_model(cluster, "ticks", TICKS)
    return clusters


@pytest.mark.fault("cut-for-good")
def test_cut_for_good_then_its_own_lease_ends_the_rank_and_the_host_is_named(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """The others are stopped; the host could not be looked at, which is said with what to do later."""

    def row(door: Door, cluster: Cluster, state: Path) -> None:
        with _launched(door, cluster, state) as going:
            going.wait_up()
            cluster.nodes[1].cut(silent=True)
            seconds_until(lambda: processes_of_runs(cluster.nodes[1]) == [], LEASE_S + 10, 0.4)
            ended = going.end(GIVEN_UP_S)
        ended.check(1, STATES, culprit=1, unseen=[1])
        assert ended.reason.startswith("the host no longer answers: ")
        assert status_on(cluster.nodes[1], going.run_id, 1)["ended_by"] == "lease"

    through_both_doors(row, _nodes(make_nodes), tmp_path)


@pytest.mark.fault("node-crash")
def test_node_that_crashes_then_is_lost_and_the_others_are_stopped(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """Every process of the node is gone at once, and no connection says farewell."""

    def row(door: Door, cluster: Cluster, state: Path) -> None:
        with _launched(door, cluster, state) as going:
            going.wait_up()
            cluster.nodes[1].crash()
            ended = going.end(GIVEN_UP_S)
        ended.check(1, STATES, culprit=1, unseen=[1])
        assert ended.reason.startswith("the host no longer answers: ")

    through_both_doors(row, _nodes(make_nodes), tmp_path)


@pytest.mark.fault("sshd-stopped")
def test_sshd_that_is_stopped_then_the_host_is_lost_and_the_lease_ends_its_rank(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """No new session: the connection that is shared is ended too, as a restart of the machine's sshd would."""

    def row(door: Door, cluster: Cluster, state: Path) -> None:
        node = cluster.nodes[1]
        with _launched(door, cluster, state) as going:
            going.wait_up()
            node.stop_sshd()
            # The pid file is gone with the listener: these are the sessions.
            node.exec(["sh", "-c", "kill -9 $(pidof sshd sshd-session); true"])
            ended = going.end(GIVEN_UP_S)
            node.start_sshd()
        ended.check(1, STATES, culprit=1, unseen=[1])
        assert status_on(node, going.run_id, 1)["ended_by"] == "lease"

    through_both_doors(row, _nodes(make_nodes), tmp_path)
