# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rank reaches the listener of rank 0: as the rendezvous will, and through the interface of the training."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import NamedTuple

from . import hello

# A first SYN that was lost is sent again after 1, 3 and 7 s.
_CONNECT_S = 8.0
_ANSWER_S = 3.0
_PAUSE_S = 0.3
# The listener was there before anybody was asked to come: who is refused for so long will stay so.
_REFUSED_S = 3.0

_KINDS = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EADDRNOTAVAIL: "no_address",
    errno.ENODEV: "no_interface",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.ECONNRESET: "reset",
}


class Way(NamedTuple):
    """How to go: to an address and port, through an interface that has addresses (None: as the system routes)."""

    address: str
    port: int
    interface: str | None
    sources: tuple[str, ...]


class Result(NamedTuple):
    """What came of it; `kind` names the failure ('' when it went well), `error` says it."""

    kind: str
    error: str | None


def go(way: Way, line: bytes, nonce: str, rank: int, wait_s: float) -> Result:
    """Say `line` to the listener and check its answer; try again while that can help, within `wait_s` seconds."""
    began = time.monotonic()
    while True:
        result = _once(way, line, nonce, rank, began + wait_s)
        patience_s = {"": 0.0, "timeout": wait_s, "reset": wait_s}.get(result.kind, _REFUSED_S)
        if time.monotonic() + _PAUSE_S > began + min(patience_s, wait_s):
            return result
        time.sleep(_PAUSE_S)


def ask(address: str, port: int, line: bytes, nonce: str, rank: int) -> dict[str, list[int]]:
    """Say `line` and return the answer; raises `OSError` and `hello.WrongAnswerError`."""
    with _connected(Way(address, port, None, ()), _CONNECT_S) as connection:
        return _asked(connection, line, nonce, rank)


def _once(way: Way, line: bytes, nonce: str, rank: int, deadline: float) -> Result:
    try:
        with _connected(way, max(0.5, min(_CONNECT_S, deadline - time.monotonic()))) as connection:
            _asked(connection, line, nonce, rank)
    except socket.timeout:
        return Result("timeout", "no answer in time")
    except OSError as error:
        return Result(_KINDS.get(error.errno or 0, "other"), error.strerror or str(error))
    except hello.WrongAnswerError as error:
        return Result("stranger", f"something else answers there: {error}")
    return Result("", None)


def _connected(way: Way, timeout_s: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in way.address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        _leave_by(connection, way, family)
        connection.connect((way.address, way.port))
    except OSError:
        connection.close()
        raise
    return connection


def _leave_by(connection: socket.socket, way: Way, family: int) -> None:
    """Bind to the interface itself, or, where the login may not, to an address of it."""
    if way.interface is None:
        return
    with contextlib.suppress(PermissionError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.interface.encode() + b"\0")
        return
    usable = [source for source in way.sources if (":" in source) == (family == socket.AF_INET6)]
    if not usable:
        raise OSError(errno.EADDRNOTAVAIL, "the interface has no address of this kind")
    connection.bind((usable[0], 0))


def _asked(connection: socket.socket, line: bytes, nonce: str, rank: int) -> dict[str, list[int]]:
    connection.settimeout(_ANSWER_S)
    connection.sendall(line)
    received = b""
    while b"\n" not in received and len(received) < hello.MAX_ANSWER_BYTES:
        data = connection.recv(4096)
        if not data:
            break
        received += data
    return hello.read_answer(received, nonce, rank)
