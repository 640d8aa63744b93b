# SPDX-License-Identifier: GPL-3.0-or-later
"""Two launches of one user meet: on the same nodes, or in the same directory; one never harms the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import LAUNCHER_DOOR, PLAYBOOK_DOOR
from tests.faults.models import TICKS, enough
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door
    from tests.faults.going import Going

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]


def _nodes(make_nodes: MakeNodes, tmp_path: Path) -> Cluster:
    cluster = make_nodes(2)
    for name in ("first", "second"):
        add_model(cluster, name, TICKS)
        (tmp_path / name).mkdir()
    return cluster


def _refused(door: Door, going: Going) -> str:
    """Return what a launch said that was refused by the preflight or before."""
    code = going.started.end()
    assert code in ({2, 3} if door is LAUNCHER_DOOR else {2})
    return "\n".join([line.text for line in going.started.lines] + [going.started.errors()])


@pytest.mark.fault("two-runs")
def test_two_runs_on_the_same_nodes_then_the_end_of_one_does_not_touch_the_other(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Same user, same nodes, allowed by --share-hosts: one is interrupted, the other trains to its end."""
    cluster = _nodes(make_nodes, tmp_path)
    given = {"model": "second", "master_port": 4001}
    with LAUNCHER_DOOR.launch(cluster, tmp_path / "first", model="first") as first:
        first.wait_for(1, "tick 2 on node 1")
        with door.launch(cluster, tmp_path / "second", **given) as refused:
            assert first.run_id in _refused(door, refused)
        with door.launch(cluster, tmp_path / "second", **given, share_hosts=True) as second:
            second.wait_up()
            first.started.interrupt()
            interrupted = first.end()
            shown = int(second.lines(1)[-1].split()[1])
            second.wait_for(1, f"tick {shown + 4} on node 1")
            enough(cluster)
            good = second.end()
    interrupted.check(130, ["stopped", "stopped"])
    good.check(0, ["ok", "ok"])


@pytest.mark.fault("directory-twice")
def test_directory_of_a_run_that_is_given_to_another_then_is_refused_and_the_run_goes_on(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """Their logs would be one; the nodes are asked nothing. The launcher makes a directory for each run by itself."""
    cluster = _nodes(make_nodes, tmp_path)
    logs = str(tmp_path / "logs")
    with PLAYBOOK_DOOR.launch(cluster, tmp_path / "first", model="first", log_dir=logs) as first:
        first.wait_up()
        given = {"model": "second", "log_dir": logs, "share_hosts": True, "master_port": 4001}
        with PLAYBOOK_DOOR.launch(cluster, tmp_path / "second", **given) as refused:
            said = _refused(PLAYBOOK_DOOR, refused)
        assert f"The directory {logs} is that of another launch already." in said
        assert "Ask every host" not in said
        enough(cluster)
        ended = first.end()
    ended.check(0, ["ok", "ok"])


@pytest.mark.fault("run-id-twice")
def test_run_id_that_is_used_twice_then_the_second_starts_nothing_and_the_first_goes_on(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """Only a playbook can be given a run id; another log directory hides from it that there is such a run."""
    cluster = _nodes(make_nodes, tmp_path)
    with PLAYBOOK_DOOR.launch(cluster, tmp_path / "first", model="first", run_id="same") as first:
        first.wait_up()
        given = {"model": "second", "run_id": "same", "share_hosts": True, "master_port": 4001}
        with PLAYBOOK_DOOR.launch(cluster, tmp_path / "second", **given) as second:
            refused = second.end()
        shown = int(first.lines(1)[-1].split()[1])
        first.wait_for(1, f"tick {shown + 4} on node 1")
        enough(cluster)
        ended = first.end()
    assert (refused.code, refused.states, refused.clean) == (2, ["not_started"] * 2, [False, False])
    assert refused.reason.startswith("this run was started already: ")
    ended.check(0, ["ok", "ok"])
