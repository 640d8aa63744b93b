# SPDX-License-Identifier: GPL-3.0-or-later
"""Host files of DeepSpeed and MPI: one ``host slots=N`` a line.

DeepSpeed: https://www.deepspeed.ai/getting-started/#resource-configuration-multi-node
Open MPI:  https://docs.open-mpi.org/en/main/launching-apps/scheduling.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from madlaunch.hostlist import Node, check_count, parse_entry
from madlaunch.hostlist_names import parse_port

HOSTFILE_FORM = "one host a line: 'node01', 'user@node01 slots=8' or 'node01 port=2222'; '#' starts a comment"

_SLOTS = re.compile(r"(?:max[_-])?slots=[0-9]+")


@dataclass(frozen=True)
class Hostfile:
    """What a host file says."""

    nodes: tuple[Node, ...]
    has_slots: bool
    """True if a line names slots: madlaunch starts one madengine per host and does not use them."""


def parse_hostfile(text: str) -> Hostfile:
    """Return the nodes of a host file in its order.

    Raises:
        ValueError: the line and the reason.

    """
    nodes: list[Node] = []
    has_slots = False
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        found, slots = _parse_line(words, f"line {number}")
        nodes.extend(found)
        check_count(len(nodes))
        has_slots = has_slots or slots
    if not nodes:
        msg = "no host is named"
        raise ValueError(msg)
    return Hostfile(tuple(nodes), has_slots)


def _parse_line(words: list[str], place: str) -> tuple[list[Node], bool]:
    """Return the nodes of one line and whether it names slots."""
    entry, *options = words
    if ":" in entry and not entry.endswith("]"):
        msg = f"{place}: {entry!r} may mean a port or a number of slots; write 'port=N' or 'slots=N' behind the host"
        raise ValueError(msg)
    port: int | None = None
    slots = False
    for option in options:
        name, _, value = option.partition("=")
        if name == "port":
            port = _parse_port(value, place)
        elif _SLOTS.fullmatch(option):
            slots = True
        else:
            msg = f"{place}: {option!r} is not known behind a host"
            raise ValueError(msg)
    nodes = parse_entry(entry, place)
    return [Node(node.host, node.user, port, place) for node in nodes], slots


def _parse_port(text: str, place: str) -> int:
    """Return the port of ``port=N``."""
    try:
        return parse_port(text)
    except ValueError as error:
        msg = f"{place}: {error}"
        raise ValueError(msg) from error
