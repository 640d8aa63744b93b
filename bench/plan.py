# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, as the command line asks for it (pure)."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("launch", "relay", "stop", "idle")
_DESCRIPTION = "Measure the launcher beside clush, pdsh and mpirun on hosts of this machine."
_MANY_HOSTS = 64
_REPETITIONS, _REPETITIONS_OF_MANY = 5, 3
_REPORT = Path("build/bench.json")


@dataclass(frozen=True)
class Load:
    """How much is printed: so many ranks, lines a second of each, and for how long."""

    hosts: int
    lines_per_s: int
    seconds: int


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        parts: Some of `PARTS`.
        launch: Numbers of hosts.
        stop: Numbers of hosts.
        idle: Numbers of hosts.
        loads: What is relayed.
        flood_lines: Lines of the one rank at full speed; 0 for no such run.
        settle_s: Seconds before idling is watched.
        window_s: Seconds for which it is watched.
        repetitions: Of each comparison; 0 for more of the small and fewer of the large ones.
        ssh_options: Options of ssh for all tools.
    """

    parts: tuple[str, ...] = PARTS
    launch: tuple[int, ...] = (2, 8, 32, 64, 128)
    stop: tuple[int, ...] = (2, 8, 32, 64)
    idle: tuple[int, ...] = (64,)
    loads: tuple[Load, ...] = (Load(16, 100, 20), Load(64, 10, 20))
    flood_lines: int = 500_000
    settle_s: float = 15.0
    window_s: float = 60.0
    repetitions: int = 0
    ssh_options: tuple[str, ...] = ()

    def repetitions_of(self, hosts: int) -> int:
        """Return how often a comparison on so many hosts is made."""
        return self.repetitions or (_REPETITIONS_OF_MANY if hosts >= _MANY_HOSTS else _REPETITIONS)


QUICK = Plan(
    launch=(2, 8),
    stop=(2,),
    idle=(8,),
    loads=(Load(4, 100, 6),),
    flood_lines=0,
    settle_s=5.0,
    window_s=10.0,
    repetitions=2,
)


def parse(arguments: Sequence[str]) -> tuple[Plan, Path]:
    """Return what the command line asks for, and where the report goes."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=_DESCRIPTION)
    parser.add_argument("--quick", action="store_true", help="few hosts, two repetitions, short runs; two minutes")
    parser.add_argument("--only", type=_parts, metavar="PART,...", help=f"only some of {', '.join(PARTS)}")
    parser.add_argument("--hosts", type=_numbers, metavar="N,...", help="numbers of hosts, in place of the usual ones")
    parser.add_argument(
        "--repeat", type=_repetitions, metavar="N", help="repetitions of each comparison (usually 5, from 64 on 3)"
    )
    parser.add_argument("--json", type=Path, default=_REPORT, metavar="FILE", help=f"the report (default: {_REPORT})")
    words = "an option of ssh for all tools, for example KexAlgorithms=curve25519-sha256; repeatable"
    parser.add_argument("--ssh-option", action="append", default=[], metavar="NAME=VALUE", help=words)
    chosen = parser.parse_args(arguments)
    plan = replace(QUICK if chosen.quick else Plan(), ssh_options=tuple(chosen.ssh_option))
    if chosen.only:
        plan = replace(plan, parts=chosen.only)
    if chosen.repeat:
        plan = replace(plan, repetitions=chosen.repeat)
    if chosen.hosts:
        most = max(chosen.hosts)
        loads = (replace(plan.loads[0], hosts=most),)
        plan = replace(plan, launch=chosen.hosts, stop=chosen.hosts, idle=(most,), loads=loads)
    return plan, chosen.json


def _parts(text: str) -> tuple[str, ...]:
    words = tuple(text.split(","))
    unknown = [word for word in words if word not in PARTS]
    if unknown:
        message = f"{', '.join(unknown)} is none of {', '.join(PARTS)}"
        raise argparse.ArgumentTypeError(message)
    return words


def _repetitions(text: str) -> int:
    if int(text) < 1:
        message = f"{text} repetitions are too few: at least 1"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(word) for word in text.split(","))
    if min(numbers) < 2:  # noqa: PLR2004 - a run on one host has nobody to wait for
        message = f"{min(numbers)} hosts are too few: at least 2"
        raise argparse.ArgumentTypeError(message)
    return numbers
