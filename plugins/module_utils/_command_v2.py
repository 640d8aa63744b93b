# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command for madengine v2, which has no multi-node mode of its own over SSH: the values go by variables.

Private to the collection. Pure. docs/madengine.md explains each value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._command_checks import TORCHRUN_RUNNERS
from ._command_common import (
    CONTEXT_FILE,
    PYTHON_ENV,
    SUMMARY_FILE,
    Command,
    merged,
    place,
    shared_path_args,
)

if TYPE_CHECKING:
    from ._command_args import UserArgs
    from ._command_common import Host, Placed, Run

# v2 takes this very number for "no time limit given" and then lets the model's own limit win.
DEFAULT_TIMEOUT_S = 7200
# Images are built or pulled per node, at different speed; madengine's own multi-node template waits as long.
RENDEZVOUS_TIMEOUT_S = 3600


def build_v2(run: Run, host: Host, user: UserArgs) -> Command:
    """Return the command of one rank. `user` is what additional_args ask for, already checked."""
    placed = place(run, host, needs_gpu_count=True)
    standard = {**placed.standard, **_runner(run, placed)}
    standard["TORCH_ELASTIC_RDZV_TIMEOUT"] = str(RENDEZVOUS_TIMEOUT_S)
    context = _context(run, host, user, placed, standard)
    argv = [host.madengine_path, "run", "--tags", run.model, "--additional-context-file", CONTEXT_FILE]
    argv += ["--summary-output", SUMMARY_FILE]
    rank_dir_args = (5, 7)
    argv += [*shared_path_args(host), "--live-output", "--timeout", str(_timeout_s(run))]
    argv += user.words
    # In madengine's own environment "false" on every rank: a rank that trained well and printed no performance value is
    # then no failure to madengine, so its exit code says what it should. The verdict wants a value from one rank.
    env = {**PYTHON_ENV, **standard, "MAD_COLLECT_METRICS": "false"}
    return Command(tuple(argv), env, context, {CONTEXT_FILE: context}, rank_dir_args, placed.unresolved)


def _runner(run: Run, placed: Placed) -> dict[str, str]:
    """Return MAD_MULTI_NODE_RUNNER, without which v2 starts `torchrun --standalone`: every node alone.

    Models of the other runners start their processes themselves, from the standard variables.
    """
    if run.runner not in TORCHRUN_RUNNERS:
        return {}
    standard = placed.standard
    words = [
        "torchrun",
        f"--nnodes={standard['NNODES']}",
        f"--nproc_per_node={placed.nproc_per_node}",
        f"--node_rank={standard['NODE_RANK']}",
        f"--master_addr={standard['MASTER_ADDR']}",
        f"--master_port={standard['MASTER_PORT']}",
    ]
    return {"MAD_MULTI_NODE_RUNNER": " ".join(words)}


def _context(run: Run, host: Host, user: UserArgs, placed: Placed, standard: dict[str, str]) -> dict[str, Any]:
    """Return the context file: the user's context below, what makes the run multi-node on top."""
    count: int | str = host.nproc_per_node or placed.nproc_per_node
    # The container sees what madengine's own multi-node template shows it: rank 0 collects.
    collect = {"MAD_COLLECT_METRICS": "true" if host.node_rank == 0 else "false"}
    ours = {
        "docker_env_vars": {**standard, **collect, **run.container_env},
        "gpus_per_node": count,
        # Only the launcher's name has an effect outside Slurm and Kubernetes: it is written to perf.csv.
        "distributed": {"launcher": run.runner, "nnodes": run.nnodes, "nproc_per_node": count},
    }
    return merged(user.context, ours)


def _timeout_s(run: Run) -> int:
    return run.timeout_s + 1 if run.timeout_s == DEFAULT_TIMEOUT_S else run.timeout_s
