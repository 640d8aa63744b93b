# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node dies while the preflight goes on, and a host that is slow then."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import SHARED_PATH
from tests.faults.doors import PLAYBOOK_DOOR
from tests.faults.going import check_clean, left_of_runs
from tests.faults.measuring import measured
from tests.faults.models import TICKS, enough
from tests.integration.models import add_model
from tests.integration.running import hold_program, kill_control_side, seconds_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LEASE_S = 10
# With it, the listener of the preflight waits no longer for a word of the control node.
LISTENER_LEASE_S = LEASE_S + 5


@pytest.mark.fault("killed-in-preflight")
def test_control_node_that_dies_in_the_preflight_then_no_listener_is_left(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """All of it, while one host is slow: rank 0's listener and its nonce have nobody who would end them."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with PLAYBOOK_DOOR.launch(cluster, tmp_path, model="ticks", lease_s=LEASE_S):
        held = hold_program(cluster.nodes[1])
        seconds_until(lambda: _nonces(cluster) != [], 20)
        kill_control_side(cluster)
        os.kill(held, signal.SIGKILL)
        took_s = seconds_until(lambda: left_of_runs(cluster) == {} and _nonces(cluster) == [], LEASE_S + 20, 0.4)
    measured(f"control node killed in the preflight to nodes clean, lease {LEASE_S} s", took_s, LEASE_S + 10)


@pytest.mark.fault("slow-preflight")
def test_host_that_is_slower_than_the_listener_waits_then_the_launch_goes_on(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Rank 0's listener hears that the control node is there, however long another host takes."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    with door.launch(cluster, tmp_path, model="ticks", lease_s=LEASE_S) as going:
        held = hold_program(cluster.nodes[1])
        seconds_until(lambda: _nonces(cluster) != [], 20)
        time.sleep(LISTENER_LEASE_S + 4)
        os.kill(held, signal.SIGCONT)
        going.wait_up()
        enough(cluster)
        ended = going.end()
    ended.check(0, ["ok", "ok"])
    check_clean(cluster)


def _nonces(cluster: Cluster) -> list[str]:
    return [path.name for path in cluster.nodes[0].path(SHARED_PATH).glob(".madlaunch-*")]
