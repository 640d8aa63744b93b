# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both command builders share: the request in types, the finished command, and how a refusal is said.

Private to the collection. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CONTEXT_FILE = "context.json"
SUMMARY_FILE = "summary.json"
MASK = "***"

# Python's output to a file waits for 8 KiB otherwise, so lines would not be live; rich cuts its tables at 80 columns,
# and madengine v2 ends with UnicodeEncodeError when the locale is not UTF-8.
PYTHON_ENV = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "COLUMNS": "200"}


class CommandError(ValueError):
    """A request that madengine could not carry out as meant: which `option`, what is wrong, and the next step."""

    def __init__(self, option: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.option = option
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Run:
    """What the command of every rank has in common."""

    model: str
    nnodes: int
    master_addr: str
    master_port: int
    timeout_s: int
    runner: str
    additional_args: tuple[str, ...]
    container_env: Mapping[str, str]

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Run:
        """Take the keys of the plan (PLAN of docs/architecture.md) that the command rests on."""
        return cls(
            model=plan["model"],
            nnodes=plan["nnodes"],
            master_addr=plan["master_addr"],
            master_port=plan["master_port"],
            timeout_s=plan["timeout_s"],
            runner=plan["runner"],
            additional_args=tuple(plan["additional_args"]),
            container_env=dict(plan["container_env"]),
        )


@dataclass(frozen=True)
class Host:
    """What belongs to one rank. `nproc_per_node` 0 means not known; an interface may be `auto` or '' (leave out)."""

    name: str
    node_rank: int
    nccl_interface: str
    gloo_interface: str
    shared_data_path: str
    madengine_path: str
    nproc_per_node: int

    @classmethod
    def from_settings(cls, host: Mapping[str, Any]) -> Host:
        """Take the keys of a host's part of the plan; `host` is its inventory name."""
        return cls(
            name=str(host.get("host") or host.get("address") or f"rank {host['node_rank']}"),
            node_rank=host["node_rank"],
            nccl_interface=host["nccl_interface"],
            gloo_interface=host["gloo_interface"],
            shared_data_path=host["shared_data_path"],
            madengine_path=host["madengine_path"],
            nproc_per_node=host["nproc_per_node"],
        )


@dataclass(frozen=True)
class Command:
    """One rank's command, not yet a string.

    `rank_dir_args` are positions in `argv` of names of files in the rank's run directory, whose path only the node
    knows: the script puts the directory in front. `documents` are JSON files to be written there. `unresolved` are
    the placeholders for what only the host can tell: a command that has some is for the eye only.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    context: Mapping[str, Any] | None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rank_dir_args: tuple[int, ...] = ()
    unresolved: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, str]:
        """The text of each document, pure ASCII: madengine v1 reads its file in the locale's encoding."""
        return {name: json.dumps(document, indent=2) + "\n" for name, document in self.documents.items()}


@dataclass(frozen=True)
class Placed:
    """The values of one rank as text, with a placeholder where only the host can tell."""

    standard: Mapping[str, str]
    nproc_per_node: str
    unresolved: tuple[str, ...]


def place(run: Run, host: Host, *, needs_gpu_count: bool) -> Placed:
    """Work out the standard variables of a rank (MASTER_ADDR and so on), all strings.

    Interfaces that are to be left out are not in them, nor is an unknown NPROC_PER_NODE that is not needed.
    """
    count = str(host.nproc_per_node) if host.nproc_per_node else ""
    if needs_gpu_count and not count:
        count = f"<GPU count of {host.name}>"
    route = f"<interface of the route from {host.name} to {run.master_addr}>"
    standard = {
        "MASTER_ADDR": run.master_addr,
        "MASTER_PORT": str(run.master_port),
        "NNODES": str(run.nnodes),
        "NODE_RANK": str(host.node_rank),
        "NPROC_PER_NODE": count,
        "NCCL_SOCKET_IFNAME": route if host.nccl_interface == "auto" else host.nccl_interface,
        "GLOO_SOCKET_IFNAME": route if host.gloo_interface == "auto" else host.gloo_interface,
    }
    given = {name: value for name, value in standard.items() if value}
    unresolved = tuple(dict.fromkeys(value for value in given.values() if value.startswith("<")))
    return Placed(given, count, unresolved)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on it, dictionary by dictionary; `over` wins."""
    result = dict(base)
    for name, value in over.items():
        below = result.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[name] = merged(below, value)
        else:
            result[name] = value
    return result


def shared_path_args(host: Host) -> list[str]:
    """Return the flag for the shared data path, or nothing when there is none."""
    return ["--force-mirror-local", host.shared_data_path] if host.shared_data_path else []
