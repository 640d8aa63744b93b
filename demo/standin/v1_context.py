# SPDX-License-Identifier: GPL-3.0-or-later
"""The context of madengine v1: what it detects, what the user adds, and the runner that comes of it."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from standin import gpus


def make(text: str, file: str | None) -> dict[str, Any]:
    """Return the context: detected, then the file, then the command line's Python literal, merged recursively.

    Raises:
        ValueError, SyntaxError: The text is no Python literal (JSON's true, false and null are none).
        AttributeError: It is a literal but no dictionary.
        FileNotFoundError, json.JSONDecodeError: The file.
        RuntimeError: No GPU tool was found.
    """
    context = _detected(gpus.count())
    secrets = {name: value for name, value in os.environ.items() if "MAD_SECRETS" in name}
    merge(context["docker_build_arg"], secrets)
    merge(context["docker_env_vars"], secrets)
    if file:
        merge(context, json.loads(Path(file).read_text()))
    if text:
        merge(context, ast.literal_eval(text))
    context["docker_env_vars"]["MAD_MULTI_NODE_RUNNER"] = runner(context["multi_node_args"])
    return context


def merge(target: Any, more: Any) -> Any:  # noqa: ANN401 - users put any literal in; the wrong ones fail here as in v1
    """Put everything of the second mapping into the first, recursively; returns the first."""
    for key, value in more.items():
        target[key] = merge(target.get(key, {}), value) if isinstance(value, Mapping) else value
    return target


def runner(settings: dict[str, Any]) -> str:
    """Return the command line that a model script evaluates; every RUNNER but mpirun is torchrun.

    Raises:
        TypeError: mpirun with text for both numbers.
    """
    if settings["RUNNER"] == "mpirun":
        settings["HOST_LIST"] = settings["HOST_LIST"] or f"localhost:{settings['MAD_RUNTIME_NGPUS']}"
        command = f"mpirun -np {settings['NNODES'] * settings['MAD_RUNTIME_NGPUS']} --host {settings['HOST_LIST']}"
    else:
        command = (
            f"torchrun --nproc_per_node {settings['MAD_RUNTIME_NGPUS']} --nnodes {settings['NNODES']}"
            f" --node_rank {settings['NODE_RANK']} --master_addr {settings['MASTER_ADDR']}"
            f" --master_port {settings['MASTER_PORT']}"
        )
    interfaces = (f"{name}={settings[name]}" for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"))
    return f"{' '.join(interfaces)} {command}"


def _detected(number: int) -> dict[str, Any]:
    build = {"MAD_SYSTEM_GPU_ARCHITECTURE": gpus.ARCHITECTURE, "MAD_SYSTEM_GPU_PRODUCT_NAME": gpus.PRODUCT}
    return {
        "ctx_test": "None",
        "host_os": "HOST_UBUNTU",
        "numa_balancing": "0",
        "gpu_vendor": "AMD",
        "docker_env_vars": {
            "MAD_GPU_VENDOR": "AMD",
            "MAD_SYSTEM_NGPUS": number,
            **build,
            "MAD_SYSTEM_HIP_VERSION": gpus.HIP_VERSION,
        },
        "docker_build_arg": build.copy(),
        "docker_gpus": f"0-{number - 1}" if number else None,
        "gpu_renderDs": [gpus.render_node(gpu) for gpu in range(number)],
        "multi_node_args": {
            "RUNNER": "torchrun",
            "MAD_RUNTIME_NGPUS": number,
            "NNODES": 1,
            "NODE_RANK": 0,
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": 6006,
            "HOST_LIST": "",
            "NCCL_SOCKET_IFNAME": "",
            "GLOO_SOCKET_IFNAME": "",
        },
    }
