# SPDX-License-Identifier: GPL-3.0-or-later
"""A training with real PyTorch: torchrun and gloo on two nodes, started by the launcher."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import ClusterOptions, NodeOptions
from tests.integration.running import launch_live, processes_of_runs

if TYPE_CHECKING:
    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow, pytest.mark.torch]

# Importing PyTorch in six processes on one busy machine takes its time.
FIRST_STEP_WITHIN_S = 120.0
TORCHRUN = "-m torch.distributed.run"
NODE_RANK = re.compile(r"--node[_-]rank[= ](\d+)")
NODES, NPROC = 2, 2


def _interpreter_dirs(python: Path) -> tuple[Path, ...]:
    """The directories without which the interpreter cannot run on a node; a node has /usr of its own."""
    code = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"
    said = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    return tuple(path for path in map(Path, dict.fromkeys(said.splitlines())) if path != Path("/usr"))


@pytest.mark.parametrize("version", ["1", "2"])
def test_torchrun_when_launched_then_all_ranks_train_one_model(
    make_cluster: MakeCluster, tmp_path: Path, torch_python: Path, version: str
) -> None:
    """The world has 2 x 2 ranks, and all of them end with equal parameters."""
    options = NodeOptions(madengine=version, python=torch_python, gpus=NPROC)
    cluster = make_cluster(NODES, options, options=ClusterOptions(visible=_interpreter_dirs(torch_python)))
    world = NODES * NPROC
    with launch_live(cluster, tmp_path, "--model", "demo_torch") as started:
        started.wait_for(lambda text: f"rank 0 of {world}: step 1/" in text, FIRST_STEP_WITHIN_S)
        runners = [command for node in cluster.nodes for command in processes_of_runs(node) if TORCHRUN in command]
        done = started.finish(FIRST_STEP_WITHIN_S)
    assert (done.returncode, done.outcome["state"]) == (0, "ok"), done.outcome["reason"]
    # PyTorch's own torchrun was there, once per node, each with its own rank.
    assert sorted(NODE_RANK.findall(" ".join(runners))) == ["0", "1"]
    equal = "parameters equal on all ranks"
    said = [sorted(line for line in done.lines(rank) if line.endswith(equal)) for rank in range(NODES)]
    expected = [f"rank {rank} of {world}: {equal}" for rank in range(world)]
    assert said == [expected[:NPROC], expected[NPROC:]]
    assert f"world size: {world}" in done.lines(NODES - 1)
    values = [[value["metric"] for value in rank["performance"]] for rank in done.outcome["ranks"]]
    assert values == [[], ["samples_per_second"]]
