# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, end to end: one command, real SSH nodes, a training across them, a verdict."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import NodeOptions
from tests.integration.launching import LAUNCHER, REPOSITORY, environment, launch

if TYPE_CHECKING:
    from tests.cluster.base import AnyCluster
    from tests.cluster.fixtures import MakeCluster


@pytest.mark.parametrize("version", ["1", "2"])
def test_launch_trains_across_all_nodes(make_cluster: MakeCluster, tmp_path: Path, version: str) -> None:
    """The ranks exchange gradients over the master port, and the verdict rests on what madengine recorded."""
    cluster = make_cluster(2, NodeOptions(madengine=version))
    done = launch(cluster, tmp_path, "--model", "demo_train")
    assert (done.returncode, done.outcome["state"]) == (0, "ok"), done.stderr
    assert [rank["state"] for rank in done.outcome["ranks"]] == ["ok", "ok"]
    assert "world size: 4" in done.lines(1)
    assert (
        len({line for rank in (0, 1) for line in done.lines(rank) if line.startswith("rank 0 of 4: parameters equal")})
        == 1
    )
    rows = list(csv.DictReader(Path(done.outcome["perf_csv"]).read_text().splitlines()))
    assert {(row["node_rank"], row["host"]) for row in rows} <= {
        ("0", cluster.hosts[0].address),
        ("1", cluster.hosts[1].address),
    }
    assert [row["status"] for row in rows if row["node_rank"] == "1"] == ["SUCCESS"]
    summary = json.loads(Path(done.outcome["summary_json"]).read_text())
    assert summary["outcome"]["state"] == "ok"
    assert [value["metric"] for value in summary["performance"]] == ["samples_per_second"]


def test_log_on_the_control_node_equals_the_nodes_byte_for_byte(cluster: AnyCluster, tmp_path: Path) -> None:
    """The raw log of each rank is the very bytes that the node has."""
    done = launch(cluster, tmp_path, "--model", "demo_train")
    run_id = done.outcome["run_id"]
    assert done.returncode == 0, done.stderr
    for rank, node in enumerate(cluster.hosts):
        on_node = node.home / ".local/state/madlaunch/runs" / run_id / f"rank{rank}" / "log"
        assert done.log(rank) == on_node.read_bytes()


def test_text_follows_the_order_of_a_launch(cluster: AnyCluster, tmp_path: Path) -> None:
    """Start block, reachability, the command per rank, lines, results n/n; readable without colors and symbols."""
    argv = [*LAUNCHER, *cluster.launcher_args(), "--model", "demo_train"]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(tmp_path, PYTHONIOENCODING="ascii", NO_COLOR="1"))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert done.stdout.isascii()
    first, last = cluster.hosts[0].address, cluster.hosts[-1].address
    expected = [
        "Starting multi-node training on 4 nodes",
        "Model: demo_train",
        f"Master: {first}:4000",
        "Checking connectivity to all nodes...",
        "All nodes are reachable",
        "(rank 3): madengine run --tags demo_train",
        ":3] ",
        f"{last} completed successfully",
        "Training Results:",
        "Successful nodes: 4/4",
        "Multi-node training completed successfully!",
    ]
    places = [done.stdout.find(text) for text in expected]
    assert -1 not in places, list(zip(expected, places, strict=True))
    assert places == sorted(places)
