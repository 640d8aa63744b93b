# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook of the installed collection on the same hosts, and what `--check` and `--diff` of them do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.estating import LAUNCH, PLAYBOOK_OK
from tests.integration.preflighting import commands_run
from tests.integration.running import check_nothing_left, status_on

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.integration.estating import Estate, Played

pytestmark = [pytest.mark.cluster]

RUN = "estate-verbs"
SECRET = "hf_not-for-the-screen"


@pytest.fixture
def estate(node_estate: Estate, node_cluster: Cluster) -> Estate:
    """An estate of two hosts, `a` and `b`."""
    hosts = dict(zip("ab", node_cluster.nodes, strict=False))
    node_estate.inventory(hosts, model="demo_sleep", grace_s=3, run_id=RUN, container_env_secret={"TOKEN": SECRET})
    return node_estate


def _verb(estate: Estate, name: str, *words: str) -> Played:
    played = estate.play(f"madlaunch.multinode.{name}", *words)
    assert played.returncode == PLAYBOOK_OK, played.text
    return played


def test_launch_when_in_check_mode_then_shows_the_scripts_and_contacts_no_host(
    estate: Estate, node_cluster: Cluster
) -> None:
    """The dry run of an estate; what is secret stays so."""
    before = [commands_run(node) for node in node_cluster.nodes]
    played = estate.play(LAUNCH, "--check", "--diff")
    assert played.returncode == PLAYBOOK_OK, played.text
    for rank, host in enumerate("ab"):
        assert f"=== rank {rank} on {host}, madengine v2" in played.text
    assert [commands_run(node) for node in node_cluster.nodes] == before
    assert (SECRET in played.text, (estate.folder / "run").exists()) == (False, False)


def _launch(estate: Estate, run_id: str, seconds: int) -> str:
    values = json.dumps({"run_id": run_id, "detach": True, "container_env": {"DEMO_SECONDS": str(seconds)}})
    launched = estate.play(LAUNCH, "--diff", "-e", values)
    assert launched.returncode == PLAYBOOK_OK, launched.text
    return launched.text


def test_run_when_it_goes_on_then_every_playbook_finds_it(estate: Estate, node_cluster: Cluster) -> None:
    """Launched with a look at what is written, looked at, listed, read, and ended, which changes nothing twice."""
    launched = _launch(estate, RUN, 300)
    for rank, host in enumerate("ab"):
        assert f"/{RUN}/rank{rank}/run.sh" in launched
        assert f"+# Run {RUN}: rank {rank} of 2, host {host}." in launched
    assert SECRET not in launched
    assert f"Run {RUN} (demo_sleep): running" in _verb(estate, "status").text
    assert f"{RUN}  running  demo_sleep  a, b" in _verb(estate, "list").text
    assert _verb(estate, "logs", "--check", "-e", "tail=1", "-e", "rank=1").lines("b", 1) != []
    foreseen = _verb(estate, "stop", "--check").text
    assert all(f"rank {rank} of {RUN} on {host} would be stopped" in foreseen for rank, host in enumerate("ab"))
    assert status_on(node_cluster.nodes[1], RUN, 1)["state"] == "running"

    first, second = (_verb(estate, "stop").text for _ in range(2))
    assert ["changed: [b]" in text for text in (first, second)] == [True, False]
    assert f"run {RUN}: clean on 2/2 hosts" in first
    assert "would be stopped" not in _verb(estate, "stop", "--check").text
    assert status_on(node_cluster.nodes[0], RUN, 0)["ended_by"] == "stop"
    check_nothing_left(node_cluster)


def test_run_when_taken_over_and_brought_home_then_has_its_verdict(estate: Estate, node_cluster: Cluster) -> None:
    """Whether it has ended meanwhile or not."""
    run_id = f"{RUN}-short"
    _launch(estate, run_id, 3)
    attached = _verb(estate, "attach", "-e", f"run_id={run_id}")
    attached.check_ok("a", "b")
    assert "tick 3 of 3 on node 1" in attached.lines("b", 1)
    _verb(estate, "collect", "-e", f"run_id={run_id}").check_ok("a", "b")
    check_nothing_left(node_cluster)
