# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch costs per host, in things that can be counted: whoever makes it more has to say so here.

Each command on a host, each worker and each event costs the control node time on hundreds of hosts; what the times are
is in docs/performance.md.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.launching import REPOSITORY, environment
from tests.integration.preflighting import commands_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

HOSTS = 4
# probe, confirm, start; then the polls of a rank that prints one line and ends, of which the last brings the results.
COMMANDS, POLLS = 3, 4
# probe, start, follow; to skip what this launch does not need; report, result and summary run once, on one host.
WORKERS, WORKERS_ONCE = 4, 4
EVENTS_PER_HOST = 13
# Of all events together, lines of ranks not counted; most is the facts of each host and the plan.
EVENT_BYTES_PER_HOST = 48_000
# Settings that each host gets of its own, besides its address and its rank.
VARIABLES_BYTES, VARIABLES_BYTES_PER_HOST = 1_700, 120

COUNTING = """
import atexit, json, sys
sys.path.insert(0, {repository!r})
from madlaunch import run
counted = {{"tasks": [], "starts": {{}}, "events": 0, "bytes": 0, "inventory": 0, "variables": 0}}
handle, write = run.Play._handle, run._write_json

def count(self, raw):
    data = raw.get("event_data") or {{}}
    if raw["event"] == "playbook_on_task_start":
        counted["tasks"].append(data["task"])
    if raw["event"] == "runner_on_start":
        counted["starts"][data["host"]] = counted["starts"].get(data["host"], 0) + 1
    if raw["event"] != "verbose":
        counted["events"] += 1
        counted["bytes"] += len(json.dumps(raw))
    return handle(self, raw)

def measure(path, value):
    write(path, value)
    counted["inventory" if path.name == "inventory.json" else "variables"] += path.stat().st_size

run.Play._handle, run._write_json = count, measure
atexit.register(lambda: open({place!r}, "w").write(json.dumps(counted)))
from madlaunch.cli import script
script()
"""


@pytest.fixture(name="nodes")
def _nodes(make_cluster: MakeCluster) -> Cluster:
    """As many nodes as make a difference between once and per host."""
    return make_cluster(HOSTS)


def counted_launch(cluster: Cluster, tmp_path: Path) -> dict[str, Any]:
    """Launch a job that ends at once, and return what was counted on the control node."""
    program = tmp_path / "counting.py"
    program.write_text(COUNTING.format(repository=str(REPOSITORY), place=str(tmp_path / "counted.json")))
    words = [*cluster.launcher_args(), "--model", "demo_lines", "--env", "DEMO_LINES=1", "--output", "json"]
    done = cluster.run([sys.executable, str(program), *words], cwd=REPOSITORY, env=environment(tmp_path), timeout_s=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    found: dict[str, Any] = json.loads((tmp_path / "counted.json").read_text())
    return found


def test_launch_when_counted_then_it_is_within_its_budget(nodes: Cluster, tmp_path: Path) -> None:
    """Commands on the hosts, workers and events of Ansible, bytes of variables; no file is copied to a host."""
    before = [commands_run(node) for node in nodes.nodes]
    counted = counted_launch(nodes, tmp_path)
    commands = [commands_run(node) - then for node, then in zip(nodes.nodes, before, strict=True)]
    assert [count for count in commands if not COMMANDS < count <= COMMANDS + POLLS] == []
    assert ["subsystem" in node.path("/run/node/sshd.log").read_text() for node in nodes.nodes] == [False] * HOSTS
    starts = sorted(counted["starts"].values())
    assert starts == [WORKERS] * (HOSTS - 1) + [WORKERS + WORKERS_ONCE], counted["tasks"]
    assert counted["events"] <= EVENTS_PER_HOST * HOSTS
    assert counted["bytes"] <= EVENT_BYTES_PER_HOST * HOSTS
    assert counted["inventory"] + counted["variables"] <= VARIABLES_BYTES + VARIABLES_BYTES_PER_HOST * HOSTS
