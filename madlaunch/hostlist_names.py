# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texts may be a host, a login or a port: everything else is refused before it comes near a shell."""

from __future__ import annotations

import ipaddress
import re

MAX_HOST_LENGTH = 253
"""RFC 1035, without the final dot."""
PORT_RANGE = (1, 65535)

HOST_FORM = "a host name (letters, digits, '-', '_', '.'), an IPv4 address or an IPv6 address"
USER_FORM = "a login: letters, digits and . _ - + @ \\, not starting with '-'"
PORT_FORM = f"a whole number from {PORT_RANGE[0]} to {PORT_RANGE[1]}"

_LABELS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_ZONE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+\\-]*\$?")
_DOTTED_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_DIGITS = re.compile(r"[0-9]{1,5}")


def parse_host(text: str) -> str:
    """Return the host as ssh takes it (an IPv6 address without brackets).

    Raises:
        ValueError: the reason why ``text`` cannot be a host.

    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare:
        return _parse_ipv6(bare)
    if bare != text:
        msg = f"{bare!r} in brackets is not an IPv6 address"
        raise ValueError(msg)
    if not text:
        msg = "the host is empty"
        raise ValueError(msg)
    if not text.isascii():
        msg = f"{text!r} is not ASCII (write an international name in its xn-- form)"
        raise ValueError(msg)
    return _parse_name(text)


def _parse_name(text: str) -> str:
    """Return a host name or an IPv4 address."""
    if len(text) > MAX_HOST_LENGTH:
        msg = f"a host of {len(text)} characters is longer than {MAX_HOST_LENGTH}"
        raise ValueError(msg)
    if not _LABELS.fullmatch(text):
        msg = f"{text!r} is not a host name"
        raise ValueError(msg)
    if _DOTTED_NUMBERS.fullmatch(text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError as error:
            msg = f"{text!r} is not an IPv4 address"
            raise ValueError(msg) from error
    return text


def _parse_ipv6(text: str) -> str:
    """Return an IPv6 address, with its zone (``fe80::1%eth0``) if it has one."""
    address, percent, zone = text.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        msg = f"{text!r} is not an IPv6 address"
        raise ValueError(msg) from error
    if percent and not _ZONE.fullmatch(zone):
        msg = f"{zone!r} is not a network interface (the zone of {text!r})"
        raise ValueError(msg)
    return text


def parse_user(text: str) -> str:
    """Return a login name.

    Raises:
        ValueError: the reason why ``text`` cannot be a login.

    """
    if not _USER.fullmatch(text):
        msg = f"{text!r} is not a login" if text else "the login is empty"
        raise ValueError(msg)
    return text


def parse_port(text: str) -> int:
    """Return a TCP port.

    Raises:
        ValueError: the reason why ``text`` cannot be a port.

    """
    low, high = PORT_RANGE
    if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
        msg = f"{text!r} is not a port" if text else "the port is empty"
        raise ValueError(msg)
    return int(text)
