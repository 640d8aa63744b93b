# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command for madengine v1, in the pattern of the SSH runner that this collection replaces.

Private to the collection. Pure. docs/madengine.md explains each value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._command_common import CONTEXT_FILE, PYTHON_ENV, Command, merged, place, shared_path_args

if TYPE_CHECKING:
    from ._command_args import UserArgs
    from ._command_common import Host, Placed, Run


def build_v1(run: Run, host: Host, user: UserArgs) -> Command:
    """Return the command of one rank. `user` is what additional_args ask for, already checked."""
    placed = place(run, host, needs_gpu_count=False)
    context = _context(placed)
    # One argument, written as a Python literal: v1 reads it with ast.literal_eval.
    argv = [host.madengine_path, "run", "--tags", run.model, "--additional-context", repr(context)]
    argv += [*shared_path_args(host), "--live-output", "--timeout", str(run.timeout_s)]
    # The user's variables go by file: v1 lays the command line over the file, key by key, and a secret on the command
    # line could be read by everybody on the node.
    file_context = merged(user.context, {"docker_env_vars": dict(run.container_env)} if run.container_env else {})
    documents: dict[str, dict[str, Any]] = {}
    rank_dir_args: tuple[int, ...] = ()
    if file_context:
        documents = {CONTEXT_FILE: file_context}
        argv += ["--additional-context-file", CONTEXT_FILE]
        rank_dir_args = (len(argv) - 1,)
    argv += user.words
    return Command(tuple(argv), dict(PYTHON_ENV), context, documents, rank_dir_args, placed.unresolved)


def _context(placed: Placed) -> dict[str, Any]:
    """Return `multi_node_args` with the keys in their usual order, and the same values for the container.

    v1 gives the container nothing but MAD_MULTI_NODE_RUNNER, and models that call torchrun themselves do not read it:
    hence docker_env_vars. All values are strings as in the runner that went before; v1 only formats them into the
    torchrun command (numbers would matter to its mpirun branch alone, which cannot be started per node).
    """
    standard = placed.standard
    multi_node_args = {
        "RUNNER": "torchrun",
        "MASTER_ADDR": standard["MASTER_ADDR"],
        "MASTER_PORT": standard["MASTER_PORT"],
        "NNODES": standard["NNODES"],
        "NODE_RANK": standard["NODE_RANK"],
        "NCCL_SOCKET_IFNAME": standard.get("NCCL_SOCKET_IFNAME"),
        "GLOO_SOCKET_IFNAME": standard.get("GLOO_SOCKET_IFNAME"),
        # Left out when not known: v1 then takes the number of GPUs of the system.
        "MAD_RUNTIME_NGPUS": placed.nproc_per_node,
    }
    given = {name: value for name, value in multi_node_args.items() if value}
    return {"multi_node_args": given, "docker_env_vars": dict(standard)}
