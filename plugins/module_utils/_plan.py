# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide, before any host is contacted, which host is which rank and whether the request makes sense.

Private to the collection. Pure: settings and hosts in, a plan or a `PlanError` out.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass, field

RUN_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
# A variable name as POSIX allows it (IEEE Std 1003.1, 8.1), which is also all that `docker run --env` takes.
ENV_NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
MASTER_ADDR_PATTERN = re.compile(r"[A-Za-z0-9._:%-]+\Z")


class PlanError(ValueError):
    """A request that cannot be planned: which `option`, what is wrong, and a `hint` for the next step."""

    def __init__(self, option: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.option = option
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class HostInput:
    """One host of the play: its inventory name, SSH address and, if the inventory has one, its rank."""

    name: str
    address: str
    node_rank: int | None = None


@dataclass(frozen=True)
class HostPlan:
    """The place of one host in the run."""

    node_rank: int
    address: str


@dataclass(frozen=True)
class Request:
    """What is the same for all hosts of a run. Times in seconds, 0 means no limit."""

    run_id: str
    model: str
    master_addr: str = ""
    master_port: int = 4000
    timeout_s: int = 3600
    grace_s: int = 15
    lease_s: int = 60
    on_failure: str = "stop"
    silence_timeout_s: int = 0
    max_restarts: int = 0
    fold: bool = False
    show_ranks: str = "auto"
    share_hosts: bool = False
    additional_args: str = ""
    nnodes: int = 0
    madengine_version: str = "auto"
    runner: str = "torchrun"
    container_env: dict[str, str] = field(default_factory=dict)
    secret_names: tuple[str, ...] = ()
    in_place: bool = False
    skip_checks: tuple[str, ...] = ()
    log_dir: str = ""
    nonce: str = ""
    forks: int = 0
    detach: bool = False


def make_plan(request: Request, hosts: list[HostInput], known_checks: tuple[str, ...]) -> dict[str, object]:
    """Return the plan: the request with its arguments split in words, and `hosts` in the order of their ranks.

    Raises `PlanError` for the first thing that is wrong.
    """
    _check_request(request, known_checks)
    ordered = _ranked(request, hosts)
    plan: dict[str, object] = {"schema": 1, **asdict(request)}
    plan["additional_args"] = split_words("additional_args", request.additional_args)
    plan["secret_names"] = list(request.secret_names)
    plan["skip_checks"] = list(request.skip_checks)
    plan["nnodes"] = len(ordered)
    plan["master_addr"] = request.master_addr or ordered[0].address
    plan["hosts"] = {host.name: asdict(HostPlan(rank, host.address)) for rank, host in enumerate(ordered)}
    return plan


def node_rank_of(host: str, value: object) -> int | None:
    """Return the rank that the inventory gives a host, None for none. Raises `PlanError` for what is no rank."""
    if value is None:
        return None
    # A template gives text with ansible-core before 2.19.
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]+", str(value)):
        message = f"node_rank of {host} is {value!r}, which is no whole number."
        raise PlanError(
            "node_rank", message, "Number the hosts 0, 1, 2 ..., each once, or give none of them a node_rank."
        )
    return int(str(value))


def split_words(option: str, text: str) -> list[str]:
    """Split a value into words as a POSIX shell would, without expanding anything."""
    try:
        return shlex.split(text)
    except ValueError as error:
        message = f"{option} cannot be split into words: {text!r} ({error})."
        raise PlanError(option, message, "Close the quote, or escape it with a backslash.") from error


def _check_request(request: Request, known_checks: tuple[str, ...]) -> None:
    _check_text(request)
    _check_numbers(request)
    unknown = [name for name in request.skip_checks if name not in known_checks]
    if unknown:
        message = f"skip_checks names no known check: {unknown[0]!r}."
        raise PlanError("skip_checks", message, "Checks are: " + ", ".join(known_checks) + ".")
    bad_names = [name for name in request.container_env if not ENV_NAME_PATTERN.match(name)]
    if bad_names:
        message = f"container_env has a name that is no variable name: {bad_names[0]!r}."
        raise PlanError("container_env", message, "Names are letters, digits and _, not beginning with a digit.")


def _check_text(request: Request) -> None:
    if not RUN_ID_PATTERN.match(request.run_id):
        message = f"run_id cannot name a directory: {request.run_id!r}."
        raise PlanError(
            "run_id", message, "Use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit."
        )
    if not request.model:
        hint = "Give the tag of a model that `madengine discover` lists: --model TAG, or in Ansible -e model=TAG."
        raise PlanError("model", "model is empty.", hint)
    if request.model.startswith("-") or CONTROL_CHARACTERS.search(request.model):
        message = f"model is no tag: {request.model!r}."
        raise PlanError("model", message, "A tag has no control characters and does not begin with a dash.")
    if request.master_addr and not MASTER_ADDR_PATTERN.match(request.master_addr):
        message = f"master_addr is no host name or address: {request.master_addr!r}."
        raise PlanError("master_addr", message, "Give a name, an IPv4 address or an IPv6 address without brackets.")


def _check_numbers(request: Request) -> None:
    if not 1 <= request.master_port <= 65535:  # noqa: PLR2004 - the range of a TCP port
        message = f"master_port is {request.master_port}."
        raise PlanError("master_port", message, "A port is a number from 1 to 65535; ports below 1024 need root.")
    for name in ("timeout_s", "grace_s", "lease_s", "silence_timeout_s"):
        value = getattr(request, name)
        if value < 0:
            raise PlanError(name, f"{name} is {value}.", "Give a number of seconds, 0 for none.")
    if request.max_restarts < 0:
        raise PlanError("max_restarts", f"max_restarts is {request.max_restarts}.", "Give a number, 0 for none.")
    _check_detached(request)


def _check_detached(request: Request) -> None:
    """Refuse what only those who follow a run can do; nobody follows one that is left alone."""
    for name in ("silence_timeout_s", "max_restarts"):
        value = getattr(request, name)
        if request.detach and value:
            message = f"{name} is {value}, but nobody follows a detached run: its nodes keep the time limit alone."
            hint = (
                f"Leave {name} out, or do not detach. attach follows the run again, and the first failure ends it then."
            )
            raise PlanError(name, message, hint)


def _ranked(request: Request, hosts: list[HostInput]) -> list[HostInput]:
    """Return the hosts in the order of their ranks: by `node_rank` if they have it, else as the play has them."""
    if not hosts:
        raise PlanError("target", "no host is in the play.", "Name hosts, or check the inventory, target and limit.")
    if request.nnodes and request.nnodes != len(hosts):
        message = f"nnodes is {request.nnodes}, but the play has {len(hosts)} hosts."
        raise PlanError("nnodes", message, "Correct nnodes, the inventory or the limit; job slicing must be off.")
    ranked = [host for host in hosts if host.node_rank is not None]
    if not ranked:
        return _master_first(request.master_addr, hosts)
    if len(ranked) < len(hosts):
        missing = next(host.name for host in hosts if host.node_rank is None)
        message = f"{len(ranked)} of {len(hosts)} hosts have a node_rank; {missing} has none."
        raise PlanError("node_rank", message, "Give every host of the play a node_rank, or none of them.")
    return _by_node_rank(request.master_addr, ranked)


def _by_node_rank(master_addr: str, hosts: list[HostInput]) -> list[HostInput]:
    ordered = sorted(hosts, key=lambda host: host.node_rank or 0)
    for expected, host in enumerate(ordered):
        if host.node_rank != expected:
            ranks = [item.node_rank for item in ordered]
            message = f"the node_rank values are {ranks}, so rank {expected} is missing or doubled."
            raise PlanError("node_rank", message, f"Number the {len(hosts)} hosts 0 to {len(hosts) - 1}, each once.")
    master = _named(master_addr, ordered)
    if master is not None and master.node_rank != 0:
        message = f"master_addr {master_addr} is {master.name}, whose node_rank is {master.node_rank}."
        raise PlanError("master_addr", message, f"Rank 0 must own the master address: give {master.name} node_rank 0.")
    return ordered


def _master_first(master_addr: str, hosts: list[HostInput]) -> list[HostInput]:
    master = _named(master_addr, hosts)
    if master is None:
        return list(hosts)
    return [master] + [host for host in hosts if host is not master]


def _named(master_addr: str, hosts: list[HostInput]) -> HostInput | None:
    if not master_addr:
        return None
    return next((host for host in hosts if master_addr in {host.name, host.address}), None)
