# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container of v2 gets to see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from standin.discover import Model

# The only variables of madengine's own environment that reach the container; the context's win over them.
FROM_PROCESS = [
    "MASTER_ADDR",
    "MASTER_PORT",
    "WORLD_SIZE",
    "RANK",
    "NODE_RANK",
    "NNODES",
    "NPROC_PER_NODE",
    "MAD_MULTI_NODE_RUNNER",
    "MAD_COLLECT_METRICS",
    "NCCL_SOCKET_IFNAME",
    "GLOO_SOCKET_IFNAME",
    "NCCL_DEBUG",
    "NCCL_IB_DISABLE",
    "NCCL_NET_GDR_LEVEL",
    "PRIMUS_CONFIG_PATH",
    "PRIMUS_CLI_EXTRA",
    "TORCH_ELASTIC_RDZV_TIMEOUT",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
]
_TORCHRUN = "torchrun --standalone --nproc_per_node={}"
_RUNNERS = {
    "deepspeed": "deepspeed --num_gpus={}",
    **dict.fromkeys(("vllm", "sglang", "sglang-disagg", "primus"), ""),
}


def container_variables(
    variables: dict[str, Any], context: dict[str, Any], model: Model, number: int
) -> dict[str, Any]:
    """Return the container's variables.

    Args:
        variables: The context's docker_env_vars with what was detected.
        context: The user's context.
        model: The model's card.
        number: GPUs of this model on this host.
    """
    secrets = {name: value for name, value in os.environ.items() if "MAD_SECRETS" in name}
    given = context.get("docker_env_vars", {})
    result = {**variables, **secrets, **_from_process(), **given}
    if "HIP_VISIBLE_DEVICES" in result:
        result["RAY_EXPERIMENTAL_NOSET_HIP_VISIBLE_DEVICES"] = ""
    if given:
        print(f"ℹ️  Merged {len(given)} environment variables from additional_context")  # noqa: RUF001 - the tool's own sign
    result.setdefault("MAD_GUEST_OS", context.get("guest_os", "UBUNTU"))
    result.setdefault("ROCM_PATH", "/opt/rocm")
    result["MAD_RUNTIME_NGPUS"] = number
    if "MAD_MULTI_NODE_RUNNER" not in result:
        launcher, command = _own_runner(context, model, number)
        if command:
            result["MAD_MULTI_NODE_RUNNER"] = command
            print(f"ℹ️  Set MAD_MULTI_NODE_RUNNER for local deployment (launcher={launcher}): {command}")  # noqa: RUF001
    if "MIOPEN_USER_DB_PATH" in os.environ:
        result.setdefault("MIOPEN_USER_DB_PATH", os.environ["MIOPEN_USER_DB_PATH"])
    return result


def _from_process() -> dict[str, str]:
    found = {name: os.environ[name] for name in FROM_PROCESS if name in os.environ}
    if found:
        print(f"ℹ️  Inherited {len(found)} environment variables from shell for Docker")  # noqa: RUF001 - the tool's own sign
    return found


def _own_runner(context: dict[str, Any], model: Model, number: int) -> tuple[str, str]:
    """Return the launcher and the single-node command that v2 makes up when it was given none."""
    launcher = context.get("distributed", {}).get("launcher") or (model.get("distributed") or {}).get("launcher")
    launcher = launcher or os.environ.get("MAD_LAUNCHER") or ""
    known = ("torchrun", "megatron", "megatron-lm", "torchtitan", *_RUNNERS)
    launcher = launcher if launcher in known else "torchrun"
    return launcher, _RUNNERS.get(launcher, _TORCHRUN).format(number)
