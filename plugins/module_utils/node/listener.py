# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A listener on the master port for the moment of the preflight, in a process of its own on rank 0.

It proves to every rank that it reached rank 0 of this launch, and keeps the nonce file of the shared path until all
have read it. It ends when rank 0 asks for it, when a later preflight wants the port (see `listener_record`), and by
itself when nobody has tended it for its lease: the control node is gone then.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import time
from typing import NamedTuple

from . import hello, tend
from .probe_tasks import detach_stdio
from .processes import Process, is_running, look, myself, send

_CONNECTION_S = 10.0
_TICK_S = 0.5
_LAST_WORDS_S = 2.0
# All hosts read the nonce in one task of the playbook: the last one long before this.
_DISMISSED_S = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, tend.SIGNAL)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Listener:
    """Answers the ranks of one launch until it is asked to finish, or nobody tends it any more.

    Args:
        server: a listening socket, None to only wait out the time.
        nonce: the secret of the launch.
        lease_s: it ends by itself when it was not tended for this many seconds.

    """

    def __init__(self, server: socket.socket | None, nonce: str, lease_s: float) -> None:
        self._nonce = nonce
        self._lease_s = lease_s
        self._is_ending = False
        self._ends_at = time.monotonic() + lease_s
        self._done: set[int] = set()
        self._failed: set[int] = set()
        self._since: dict[socket.socket, float] = {}
        self._received: dict[socket.socket, bytes] = {}
        self._server = server
        self._selector = selectors.DefaultSelector()
        if server is not None:
            server.settimeout(0)
            self._selector.register(server, selectors.EVENT_READ)

    def serve(self) -> None:
        """Answer until the end; all sockets are closed then, and none is left waiting in the kernel."""
        while time.monotonic() < self._ends_at:
            for key, _events in self._selector.select(_TICK_S):
                if key.fileobj is self._server:
                    self._accept()
                elif key.fileobj in self._since:
                    self._read(key.fileobj)
            for connection, since in list(self._since.items()):
                if time.monotonic() > since + _CONNECTION_S:
                    self._close(connection)
        for connection in list(self._since):
            self._close(connection)
        if self._server is not None:
            self._server.close()

    def tend(self, *_signal: object) -> None:
        """Renew the lease, unless the end was asked for; also a handler of signals."""
        if not self._is_ending:
            self._ends_at = time.monotonic() + self._lease_s

    def end(self, *_signal: object) -> None:
        """End within a moment; also a handler of signals."""
        self._end_within(0.0)

    def end_soon(self, *_signal: object) -> None:
        """End when those that are on their way have had their time; also a handler of signals."""
        self._end_within(_DISMISSED_S)

    def _end_within(self, seconds: float) -> None:
        self._is_ending = True
        self._ends_at = min(self._ends_at, time.monotonic() + seconds)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _address = self._server.accept()  # type: ignore[union-attr]
            connection.settimeout(0)
            self._since[connection] = time.monotonic()
            self._received[connection] = b""
            self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(hello.MAX_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        received = self._received[connection] + data
        self._received[connection] = received
        if not data or len(received) > hello.MAX_BYTES:
            self._close(connection)
        elif b"\n" in received:
            self._received[connection] = b""
            self._answer(connection, received)

    def _answer(self, connection: socket.socket, line: bytes) -> None:
        """Answer a rank and let it hang up first, so that the port is not kept in TIME_WAIT on this side."""
        said = hello.read_hello(line, self._nonce)
        if said is None:
            self._close(connection)
            return
        rank, word = said
        {"done": self._done, "failed": self._failed}.get(word, set()).add(rank)
        value = {"done": sorted(self._done), "failed": sorted(self._failed)}
        with contextlib.suppress(OSError):
            connection.send(hello.answer(self._nonce, rank, value))
        if word == "finish":
            self._end_within(_LAST_WORDS_S)
            self._stop_accepting()
        elif word == "status":
            # Rank 0 itself, which waits for the others.
            self.tend()

    def _stop_accepting(self) -> None:
        if self._server is not None:
            self._selector.unregister(self._server)
            self._server.close()
            self._server = None

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._since[connection], self._received[connection]
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.close()
        if self._server is None and not self._since:
            self.end()


class Duty(NamedTuple):
    """What a detached listener is told.

    `record` is a file in which it names itself as long as it lives, for another preflight of the same port (see
    `listener_record`), '' for none; `nonce_path` is the file that it removes in the end.
    """

    run_id: str
    record: str
    nonce: str
    nonce_path: str | None
    lease_s: float


def start(server: socket.socket | None, duty: Duty) -> dict[str, int]:
    """Start the listener detached and return {"pid", "start_ticks"} of it; the socket is its own from then on."""
    reader, writer = os.pipe()
    # One that comes before the listener can handle it waits; it would end it, and leave the nonce behind.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    first = os.fork()
    if first == 0:
        _detach(server, writer, duty)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(writer)
    if server is not None:
        server.close()
    with os.fdopen(reader, "rb") as pipe:
        pid = int(pipe.read())
    os.waitpid(first, 0)
    process = look(pid) or Process(pid, 0)
    return process.to_json()


def dismiss(identity: dict[str, int]) -> None:
    """Let this very listener end within some seconds; what comes until then finds it and the nonce."""
    if is_running(identity):
        send(Process(identity["pid"], identity["start_ticks"]), signal.SIGUSR1)


def _detach(server: socket.socket | None, writer: int, duty: Duty) -> None:
    """Become the listener in a session of its own; never returns into the caller's code."""
    try:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            _become(server, duty)
        else:
            os.write(writer, str(pid).encode())
    finally:
        os._exit(0)


def _become(server: socket.socket | None, duty: Duty) -> None:
    detach_stdio()
    _close_others(server)
    listener = Listener(server, duty.nonce, duty.lease_s)
    signal.signal(signal.SIGTERM, listener.end)
    signal.signal(signal.SIGUSR1, listener.end_soon)
    signal.signal(tend.SIGNAL, listener.tend)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    port = server.getsockname()[1] if server is not None else None
    with contextlib.suppress(OSError):
        if duty.record:
            _write_record(duty, port)
    try:
        listener.serve()
    finally:
        for path in (duty.nonce_path, duty.record):
            with contextlib.suppress(OSError):
                os.unlink(path or "")


def _write_record(duty: Duty, port: int | None) -> None:
    """Write the record, without waiting for the disk: the ranks may be here any moment."""
    temporary = f"{duty.record}.{os.getpid()}"
    with open(temporary, "w", encoding="ascii") as file:
        json.dump({**myself().to_json(), "port": port, "run_id": duty.run_id}, file)
    os.replace(temporary, duty.record)


def _close_others(server: socket.socket | None) -> None:
    """Close all that was inherited: somebody waits for the end of those pipes."""
    kept = server.fileno() if server is not None else None
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor != kept:  # noqa: PLR2004 - above the three standard descriptors
            with contextlib.suppress(OSError):
                os.close(descriptor)
