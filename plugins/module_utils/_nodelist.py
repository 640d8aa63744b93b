# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that name nodes -> nodes in rank order. Pure; the standard library only.

Understands what clush and Slurm write: C(node[01-16,20]), C(rack[1-2]node[01-04]), C(node[0-8/2]), each with an
optional C(user@) before and C(:port) after it, and IPv6 addresses in brackets. The meaning of the ranges is
ClusterShell's (https://clustershell.readthedocs.io, "Node sets"): zeros in front are kept, each range counts upwards,
and of several ranges in one word the last one counts fastest. Unlike there, the order of the ranges inside one pair of
brackets is kept, and a node that is named twice is an error: the order decides the ranks. The launcher reads the same
words with ClusterShell itself; a contract test holds the two together.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_NODES = 4096  # node[1-999999999] is a slip, not a cluster
MAX_PORT = 65535
MAX_HOST_LENGTH = 253  # RFC 1035, without the final dot
SSH_PORT = 22
_RANGE = re.compile(r"(?P<low>[0-9]{1,9})(?:-(?P<high>[0-9]{1,9})(?:/(?P<step>[0-9]{1,9}))?)?\Z")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_DOTTED_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){3}\Z")
_ZONE = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+\\-]*\$?\Z")
_IPV6 = re.compile(r"\[(?P<host>[^\[\]]*:[^\[\]]*)\](?::(?P<port>.*))?\Z", re.DOTALL)
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^\[\]]*\])")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")
_GROUPS_OF_ANSIBLE = ("all", "ungrouped")  # a host of the same name would be taken for the group
_SLOTS = re.compile(r"(?:max[_-])?slots=[0-9]+\Z")


class NodeListError(ValueError):
    """A list of nodes that cannot be used; the text names the word, the reason and the allowed form."""


@dataclass(frozen=True)
class Node:
    """One node: the host as it was written (IPv6 without brackets), and how to log in if that was written too."""

    host: str
    user: str | None = None
    port: int | None = None


def parse_nodes(text: str) -> list[Node]:
    """Return the nodes of a comma list, in the order of their ranks.

    Raises:
        NodeListError: the list is empty, a word has no valid form, or a node is named twice.
    """
    words = [word.strip() for word in _COMMA_OUTSIDE_BRACKETS.split(text)] if text.strip() else []
    return _distinct(node for word in words for node in _parse_word(word))


def parse_hostfile(text: str) -> list[Node]:
    """Return the nodes of a host file, in the order of their ranks.

    One node (or range) a line. Behind it may stand C(port=2222), and C(slots=8) of DeepSpeed and Open MPI, which is
    ignored; C(#) begins a comment. C(node1:8) is refused: it is a number of processes to MPICH and a port to others.

    Raises:
        NodeListError: the file names no node, a line has no valid form, or a node is named twice.
    """
    lines = (line.split("#", 1)[0].split() for line in text.splitlines())
    return _distinct(node for words in lines if words for node in _parse_line(words))


def inventory_names(nodes: list[Node]) -> list[str]:
    """Return one inventory name per node, each one different.

    A name is the host as written. A host with several ports gets the port as a suffix, the colons of an IPv6 address
    become dashes (Ansible's host patterns split at colons), and what is still not unique gets its rank.
    """
    hosts = [node.host.lower() for node in nodes]
    names: list[str] = []
    for node_rank, node in enumerate(nodes):
        name = _NOT_IN_A_NAME.sub("-", node.host)
        if hosts.count(node.host.lower()) > 1 and node.port is not None:
            name = f"{name}-{node.port}"
        if name in names or name in _GROUPS_OF_ANSIBLE:
            name = f"{name}-rank{node_rank}"
        names.append(name)
    return names


def expand(pattern: str) -> list[str]:
    """Return every name that a pattern with ranges stands for: C(a[1-2]b[1-2]) is a1b1 a1b2 a2b1 a2b2.

    Raises:
        NodeListError: a bracket is not closed, or a range is not of the form 1-16, 01-16 or 0-8/2.
    """
    choices = []
    total = 1
    for fixed, ranges in _pieces(pattern):
        numbers = [fixed] if ranges is None else _numbers(pattern, ranges)
        total *= len(numbers)
        if total > MAX_NODES:
            msg = f"{pattern!r} stands for more than {MAX_NODES} nodes. Check the ranges in it."
            raise NodeListError(msg)
        choices.append(numbers)
    return ["".join(parts) for parts in product(*choices)]


def _parse_line(words: list[str]) -> list[Node]:
    """Return the nodes of one line of a host file."""
    entry, *options = words
    port = None
    for option in options:
        if option.startswith("port="):
            port = _port(entry, option[len("port=") :])
        elif not _SLOTS.match(option):
            msg = f"{option!r} is not known behind the host {entry!r}. Write port=2222 or slots=8 there, or nothing."
            raise NodeListError(msg)
    nodes = _parse_word(entry)
    if any(node.port for node in nodes):
        msg = f"{entry!r} may mean a port or a number of slots. Write port=2222 or slots=8 behind the host."
        raise NodeListError(msg)
    return [Node(node.host, node.user, port) for node in nodes]


def _parse_word(word: str) -> list[Node]:
    """Return the nodes of one word: [user@]name-with-ranges[:port] or [user@][IPv6][:port]."""
    if "://" in word:
        msg = f"{word!r} is a URL. Write only the host, user@host or host:port."
        raise NodeListError(msg)
    login, at, rest = word.rpartition("@")
    user = _user(word, login) if at else None
    match = _IPV6.match(rest)
    if match:
        port = None if match["port"] is None else _port(word, match["port"])
        return [Node(_ipv6(word, match["host"]), user, port)]
    host, colon, port_text = rest.partition(":")
    if ":" in port_text:
        msg = f"{word!r} is no node. Write host, user@host or host:port, and an IPv6 address as [2001:db8::1]."
        raise NodeListError(msg)
    port = _port(word, port_text) if colon else None
    return [Node(_name(word, name), user, port) for name in expand(host)]


def _name(word: str, name: str) -> str:
    """Check a host name or an IPv4 address."""
    if len(name) > MAX_HOST_LENGTH or not _HOST.match(name):
        msg = (
            f"{word!r} names no host: {name!r} must be at most {MAX_HOST_LENGTH} letters, digits, '.', '-' and '_', "
            "with ranges such as node[01-16]."
        )
        raise NodeListError(msg)
    if _DOTTED_NUMBERS.match(name):
        _address(word, name, ipaddress.IPv4Address)
    return name


def _ipv6(word: str, text: str) -> str:
    """Check an IPv6 address, which may have a zone: fe80::1%eth0."""
    address, percent, zone = text.partition("%")
    _address(word, address, ipaddress.IPv6Address)
    if percent and not _ZONE.match(zone):
        msg = f"{word!r} has the zone {zone!r}. A zone is a network interface, as in [fe80::1%eth0]."
        raise NodeListError(msg)
    return text


def _address(word: str, text: str, kind: Callable[[str], object]) -> None:
    """Check an address with the standard library."""
    try:
        kind(text)
    except ValueError as error:
        msg = f"{word!r} has no valid address: {error}. Correct it, or write a host name."
        raise NodeListError(msg) from error


def _user(word: str, user: str) -> str:
    """Check a login name; a leading dash would be an option of ssh."""
    if not _USER.match(user):
        msg = f"{word!r} has the login {user!r}. A login has letters, digits and . _ - + @ \\ and no dash in front."
        raise NodeListError(msg)
    return user


def _port(word: str, port: str) -> int:
    """Check a TCP port."""
    if not re.match(r"[0-9]{1,5}\Z", port) or not 1 <= int(port) <= MAX_PORT:
        msg = f"{word!r} has the port {port!r}. A port is a number from 1 to {MAX_PORT}."
        raise NodeListError(msg)
    return int(port)


def _pieces(pattern: str) -> list[tuple[str, str | None]]:
    """Cut C(a[1-2]b) into (fixed text, None) and ("", ranges), in turn."""
    pieces: list[tuple[str, str | None]] = []
    rest = pattern
    while rest:
        fixed, opened, after = rest.partition("[")
        if "]" in fixed:
            msg = f"{pattern!r} closes a bracket that is not open. Write ranges as node[01-16]."
            raise NodeListError(msg)
        pieces.append((fixed, None))
        ranges, closed, rest = after.partition("]")
        if not opened:
            break
        if not closed or "[" in ranges:
            msg = f"{pattern!r} opens a bracket that is not closed. Write ranges as node[01-16]."
            raise NodeListError(msg)
        pieces.append(("", ranges))
    return pieces


def _numbers(pattern: str, ranges: str) -> list[str]:
    """Return the numbers of C(01-03,7) as they stand in names: 01 02 03 7."""
    return [number for part in ranges.split(",") for number in _one_range(pattern, part)]


def _one_range(pattern: str, part: str) -> list[str]:
    """Return the numbers of one range, as wide as its first number where that begins with a zero."""
    match = _RANGE.match(part)
    if not match:
        msg = f"{pattern!r} has the range {part!r}. A range is a number, 1-16, 01-16 or 0-8/2 (every second)."
        raise NodeListError(msg)
    low, high, step = match["low"], match["high"] or match["low"], int(match["step"] or 1)
    if int(high) < int(low) or step < 1:
        msg = f"{pattern!r} has the range {part!r}. Write the smaller number first; a step is 1 or more."
        raise NodeListError(msg)
    if len(low) != len(high) and (_is_padded(low) or _is_padded(high)):
        msg = f"{pattern!r} has the range {part!r}. Write both numbers with the same width, as 01-16 or 008-128."
        raise NodeListError(msg)
    if (int(high) - int(low)) // step >= MAX_NODES:
        msg = f"{pattern!r} has the range {part!r}, which stands for more than {MAX_NODES} nodes."
        raise NodeListError(msg)
    width = len(low) if _is_padded(low) else 0
    return [str(number).zfill(width) for number in range(int(low), int(high) + 1, step)]


def _is_padded(number: str) -> bool:
    """Return whether a number has a zero in front, so that all names of its range have the same width."""
    return len(number) > 1 and number.startswith("0")


def _distinct(nodes: Iterable[Node]) -> list[Node]:
    """Refuse an empty list and a node that is named twice: two ranks on one host would fight over its GPUs."""
    places: dict[tuple[str, int], int] = {}
    result: list[Node] = []
    for node in nodes:
        first = places.setdefault((node.host.lower(), node.port or SSH_PORT), len(result))
        if first < len(result):
            msg = f"Node {node.host} is named twice, in places {first + 1} and {len(result) + 1}. Name every node once."
            raise NodeListError(msg)
        result.append(node)
        if len(result) > MAX_NODES:
            msg = f"The list names more than {MAX_NODES} nodes. Check the ranges in it."
            raise NodeListError(msg)
    if not result:
        msg = "The node list is empty. Name at least one node, for example node[01-16]."
        raise NodeListError(msg)
    return result
