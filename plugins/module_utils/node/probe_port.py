# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a TCP port can be bound, and who holds it if not."""

from __future__ import annotations

import errno
import os
import socket

from .probe_procs import command, owner, process_ids, user_name, variables
from .processes import RUN_ID_VARIABLE

_TIME_WAIT = "06"
_BACKLOG = 1024


def bind(port: int) -> socket.socket:
    """Return a listening socket on all addresses of this host, IPv6 and IPv4; raises `OSError`.

    All addresses, because that is what torchrun's store binds: a port that is taken on any address is taken. The
    address may be reused after connections that have ended (TIME_WAIT), as torchrun does it too.
    """
    try:
        return _listening(socket.AF_INET6, "::", port)
    except OSError as error:
        if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            raise
    return _listening(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - for a moment, and it answers no stranger


def can_bind(port: int) -> bool:
    """Tell whether the port is free now."""
    try:
        bind(port).close()
    except OSError:
        return False
    return True


def holder(port: int) -> dict[str, object] | None:
    """Return {"pid", "user", "command", "run_id"} of who holds the port, None if no socket of the kernel's list does.

    Only root sees the sockets of other users' processes; without, the pid is None and the user still known.
    """
    sockets = _sockets(port)
    for pid in process_ids():
        # Not this process itself, which may have inherited a socket of its caller.
        if pid != os.getpid() and _holds(pid, set(sockets)):
            run_id = variables(pid).get(RUN_ID_VARIABLE)
            return {"pid": pid, "user": user_name(owner(pid)), "command": command(pid), "run_id": run_id}
    for uid in sockets.values():
        return {"pid": None, "user": user_name(uid), "command": "", "run_id": None}
    return None


def _listening(family: int, address: str, port: int) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((address, port))
        server.listen(_BACKLOG)
    except OSError:
        server.close()
        raise
    return server


def _sockets(port: int) -> dict[str, int]:
    """Return inode -> user id of the sockets with this local port (https://docs.kernel.org/networking/proc_net_tcp.html)."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _lines(table):
            fields = line.split()
            local, state, uid, inode = fields[1], fields[3], fields[7], fields[9]
            if int(local.rpartition(":")[2], 16) == port and state != _TIME_WAIT and inode != "0":
                found[inode] = int(uid)
    return found


def _lines(table: str) -> list[str]:
    try:
        with open(table, encoding="ascii") as file:
            return file.read().splitlines()[1:]
    except OSError:
        return []


def _holds(pid: int, inodes: set[str]) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(_inode(f"{folder}/{descriptor}") in inodes for descriptor in os.listdir(folder))
    except OSError:
        return False


def _inode(path: str) -> str:
    try:
        target = os.readlink(path)
    except OSError:
        return ""
    return target[len("socket:[") : -1] if target.startswith("socket:[") else ""
