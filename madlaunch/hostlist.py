# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of nodes in words to nodes in rank order: ``a,u@b:2222,node[01-16],[2001:db8::1]:22``.

An entry is ``[user@]host[:port]``. Brackets around an IPv6 address and brackets of a range look alike,
so entries are taken apart first and ranges are expanded afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from madlaunch.hostlist_names import parse_host, parse_port, parse_user
from madlaunch.hostlist_ranges import MAX_NODES, expand

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_SSH_PORT = 22
NODES_FORM = "host, user@host:port, node[01-16] or [2001:db8::1]:22, separated by commas"

_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^\[\]]*\])")
_IPV6_ENTRY = re.compile(r"(\[[0-9A-Fa-f.]*:[^\[\]]*\])(?::(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Node:
    """One host of the launch, as the user named it; what is not given is left to ssh."""

    host: str
    """As ssh takes it: an IPv6 address has no brackets."""
    user: str = ""
    port: int | None = None
    place: str = ""
    """Where it was named, for messages: ``entry 2`` or ``line 5``."""


def parse_nodes(text: str) -> tuple[Node, ...]:
    """Return the nodes of a comma separated list, in its order.

    Raises:
        ValueError: the reason why the list cannot be used.

    """
    nodes: list[Node] = []
    if not text.strip():
        msg = "the list of nodes is empty"
        raise ValueError(msg)
    for position, entry in enumerate(_COMMA_OUTSIDE_BRACKETS.split(text), start=1):
        nodes.extend(parse_entry(entry.strip(), f"entry {position}"))
        check_count(len(nodes))
    return tuple(nodes)


def parse_entry(entry: str, place: str) -> list[Node]:
    """Return the nodes of one ``[user@]host[:port]``, more than one if the host has ranges.

    Raises:
        ValueError: the reason, with ``place`` in front.

    """
    try:
        _check_no_url(entry)
        user, at, rest = entry.rpartition("@")
        login = parse_user(user) if at else ""
        hosts, port_text = _split_port(rest)
        port = None if port_text is None else parse_port(port_text)
        return [Node(parse_host(host), login, port, place) for host in hosts]
    except ValueError as error:
        msg = f"{place}: {error}" if entry else f"{place} is empty"
        raise ValueError(msg) from error


def _check_no_url(entry: str) -> None:
    if "://" in entry:
        msg = f"{entry!r} looks like a URL: write host, user@host or host:port"
        raise ValueError(msg)


def _split_port(rest: str) -> tuple[tuple[str, ...], str | None]:
    """Return the hosts and the text of the port of ``host[:port]``."""
    ipv6 = _IPV6_ENTRY.fullmatch(rest)
    if ipv6:
        return (ipv6[1],), ipv6[2]
    if rest.count(":") > 1:
        msg = f"{rest!r} looks like an IPv6 address: write it in brackets, [{rest.strip('[]')}]"
        raise ValueError(msg)
    host, colon, port = rest.partition(":")
    return expand(host), port if colon else None


def check_count(count: int) -> None:
    """Refuse more than :data:`MAX_NODES` nodes.

    Raises:
        ValueError: there are more.

    """
    if count > MAX_NODES:
        msg = f"more than {MAX_NODES} hosts are named"
        raise ValueError(msg)


def check_unique(nodes: Iterable[Node], default_port: int | None) -> None:
    """Refuse a host that is named twice (same host, same port; two ports are two nodes).

    Raises:
        ValueError: the host and both places.

    """
    seen: dict[tuple[str, int], Node] = {}
    for node in nodes:
        key = (node.host.casefold(), node.port or default_port or DEFAULT_SSH_PORT)
        first = seen.setdefault(key, node)
        if first is not node:
            msg = f"host {node.host!r} is named twice: {first.place} and {node.place}"
            raise ValueError(msg)


def put_master_first(nodes: tuple[Node, ...], master_addr: str) -> tuple[Node, ...]:
    """Return ``nodes`` with the one that ``master_addr`` names in front: rank 0 must own that address."""
    for index, node in enumerate(nodes):
        if node.host.casefold() == master_addr.casefold():
            return (node, *nodes[:index], *nodes[index + 1 :])
    return nodes
