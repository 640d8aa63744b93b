# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces of a host, asked of the kernel, and the one by which a host is reached.

Netlink is asked directly: the `ip` program may be missing or too old for JSON, /proc does not list secondary
addresses, and /sys/class/net shows the network of whoever mounted it (https://man7.org/linux/man-pages/man7/rtnetlink.7.html).
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Iterator

_RTM_GETLINK, _RTM_GETADDR = 18, 22
_NLM_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_HEADER = struct.Struct("=LHHLL")  # nlmsghdr: length, type, flags, sequence, port id
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_IFINFO = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_IFADDR = struct.Struct("=BBBBi")  # ifaddrmsg: family, prefix length, flags, scope, index
_ANSWER_BYTES = 1 << 17
_TIMEOUT_S = 3.0


def interfaces() -> dict[str, dict[str, object]]:
    """Return name -> {"up", "carrier", "addresses"} of every interface of this host.

    `up` is what an administrator set, `carrier` whether the link below works. Raises `OSError`.
    """
    names: dict[int, str] = {}
    found: dict[str, dict[str, object]] = {}
    addresses: dict[str, list[str]] = {}
    for message in _dump(_RTM_GETLINK):
        _family, _kind, index, flags, _change = _IFINFO.unpack_from(message)
        name = _attributes(message[_IFINFO.size :]).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
        names[index] = name
        addresses[name] = []
        up, carrier = bool(flags & _IFF_UP), bool(flags & _IFF_LOWER_UP)
        found[name] = {"up": up, "carrier": carrier, "addresses": addresses[name]}
    for message in _dump(_RTM_GETADDR):
        family, _length, _flags, _scope, index = _IFADDR.unpack_from(message)
        attributes = _attributes(message[_IFADDR.size :])
        # On a point-to-point link ADDRESS is the other end and LOCAL is ours; IPv6 has only ADDRESS.
        packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if packed and index in names:
            addresses[names[index]].append(socket.inet_ntop(family, packed))
    return found


def interface_of(address: str, found: dict[str, dict[str, object]]) -> str | None:
    """Return the interface that has this address; all of 127.0.0.0/8 belongs to the loopback interface."""
    for name, interface in found.items():
        if address in interface["addresses"]:  # type: ignore[operator]
            return name
    if address.startswith("127.") and "lo" in found:
        return "lo"
    return None


def resolve(name: str) -> list[str]:
    """Return the addresses of a host name, each once, in the system's order. Raises `OSError` (`socket.gaierror`)."""
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]).split("%", 1)[0] for answer in answers))


def source_address(address: str) -> str | None:
    """Return the address with which this host would leave for `address`, None without a route. Nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def master(master_addr: str) -> dict[str, object]:
    """Return how this host sees the master address: {"owns_addr", "resolved", "resolve_error", "interface"}.

    `interface` is the one of the route there, on the owner the one that has the address. A name that the owner itself
    resolves to a loopback address (Debian's /etc/hosts has 127.0.1.1) says nothing of the network: None.
    """
    facts: dict[str, object] = {"owns_addr": False, "resolved": [], "resolve_error": None, "interface": None}
    try:
        resolved = resolve(master_addr)
    except (OSError, UnicodeError) as error:
        facts["resolve_error"] = str(error)
        return facts
    found = interfaces()
    owners = [name for name in (interface_of(address, found) for address in resolved) if name]
    facts.update(resolved=resolved, owns_addr=bool(owners))
    if not owners:
        routed = (source_address(address) for address in resolved)
        facts["interface"] = next((interface_of(source, found) for source in routed if source), None)
    elif master_addr in resolved or owners[0] != "lo":
        facts["interface"] = owners[0]
    return facts


def _dump(kind: int) -> Iterator[bytes]:
    """Ask the kernel for all links or addresses; yield the body of each message."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_TIMEOUT_S)
        body = struct.pack("=Bxxx", socket.AF_UNSPEC)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), kind, _NLM_REQUEST_DUMP, 1, 0) + body)
        while True:
            data = kernel.recv(_ANSWER_BYTES)
            while len(data) >= _HEADER.size:
                length, answer, _flags, _sequence, _port = _HEADER.unpack_from(data)
                if answer == _NLMSG_DONE:
                    return
                if answer == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", data, _HEADER.size)[0]
                    raise OSError(number, os.strerror(number))
                yield data[_HEADER.size : length]
                data = data[_aligned(length) :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
