# SPDX-License-Identifier: GPL-3.0-or-later
"""The listener of rank 0 and the way to it, on loopback addresses."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import (
    hello,
    listener,
    listener_record,
    probe_port,
    processes,
    reach,
    tend,
)

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(name="served")
def _served() -> Any:  # noqa: ANN401 - a generator fixture
    """A listener in a thread; yields (its port, the listener)."""
    server = probe_port.bind(0)
    port = server.getsockname()[1]
    one = listener.Listener(server, "n", 20)
    thread = threading.Thread(target=one.serve)
    thread.start()
    yield port, one
    one.end()
    thread.join(5)
    assert not thread.is_alive()


def go(port: int, word: str, rank: int, nonce: str = "n") -> reach.Result:
    """Say a word to the listener at the loopback address."""
    return reach.go(reach.Way("127.0.0.1", port, None, ()), hello.hello(nonce, rank, word), nonce, rank, 0.4)


def test_listener_when_ranks_and_strangers_come_then_only_ranks_count(served: tuple[int, listener.Listener]) -> None:
    """A rank counts once it is done; rubbish, silence and another launch's nonce are hung up on or ignored."""
    port, _one = served
    silent = socket.create_connection(("127.0.0.1", port))
    assert go(port, "more", 5) == reach.Result("", None)
    assert go(port, "done", 2) == reach.Result("", None)
    assert go(port, "done", 2) == reach.Result("", None)
    assert go(port, "failed", 3) == reach.Result("", None)
    assert go(port, "done", 4, nonce="another").kind in {"stranger", "reset"}
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"x" * 1000, b"madlaunch a b c\n", b"\xff\xfe\n"):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(rubbish)
    told = reach.ask("127.0.0.1", port, hello.hello("n", 0, "status"), "n", 0)
    silent.close()
    assert told == {"done": [2], "failed": [3]}


def test_listener_when_it_has_ended_then_the_port_is_free_at_once(served: tuple[int, listener.Listener]) -> None:
    """Nobody who forgot to hang up keeps the port in TIME_WAIT, not even for a server that does not reuse addresses."""
    port, _one = served
    with socket.create_connection(("127.0.0.1", port)):
        assert go(port, "done", 1).kind == ""
        assert reach.ask("127.0.0.1", port, hello.hello("n", 0, "finish"), "n", 0) == {"done": [1], "failed": []}
        deadline = time.monotonic() + 4
        while not _binds_plainly(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _binds_plainly(port)


def _binds_plainly(port: int) -> bool:
    """Tell whether a server that does not ask to reuse addresses gets the port; TIME_WAIT would last a minute."""
    with socket.socket() as plain:
        try:
            plain.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _seconds_until_gone(identity: dict[str, int], limit_s: float = 6.0) -> float:
    start_s = time.monotonic()
    while processes.is_running(identity) and time.monotonic() < start_s + limit_s:
        time.sleep(0.02)
    assert not processes.is_running(identity)
    return time.monotonic() - start_s


def test_listener_when_nobody_tends_it_then_it_ends_by_itself(tmp_path: Path) -> None:
    """The lease bounds it, should the control node be gone; the nonce goes with it."""
    nonce = tmp_path / "nonce"
    nonce.touch()
    identity = listener.start(probe_port.bind(0), listener.Duty("mad-1", "", "n", str(nonce), 0.7))
    assert processes.is_running(identity)
    time.sleep(0.3)
    assert nonce.exists()
    _seconds_until_gone(identity)
    assert not nonce.exists()


def test_listener_when_it_is_tended_then_it_outlives_its_lease_until_nobody_does() -> None:
    """The control node waits for a slow host, then it is killed; of a listener that has gone it hears so."""
    identity = listener.start(probe_port.bind(0), listener.Duty("mad-1", "", "n", None, 1.5))
    for _time in range(6):
        time.sleep(0.5)
        assert tend.main(identity) == {"lives": True}
    assert _seconds_until_gone(identity) > 1
    assert tend.main(identity) == {"lives": False}


def test_listener_when_rank_0_asks_it_then_it_outlives_its_lease(served: tuple[int, listener.Listener]) -> None:
    """Rank 0 waits for the others; what they themselves say does not keep it."""
    port, one = served
    ends_at_s = one._ends_at
    assert go(port, "more", 1).kind == ""
    assert one._ends_at == ends_at_s
    assert reach.ask("127.0.0.1", port, hello.hello("n", 0, "status"), "n", 0) == {"done": [], "failed": []}
    # The answer comes first.
    deadline = time.monotonic() + 4
    while one._ends_at == ends_at_s and time.monotonic() < deadline:
        time.sleep(0.02)
    assert one._ends_at > ends_at_s


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1, tend.SIGNAL])
def test_listener_when_a_signal_comes_at_once_then_it_clears_up_all_the_same(tmp_path: Path, signum: int) -> None:
    """On a busy host the listener may not have come so far yet: it must not die of the signal and leave the nonce."""
    nonce = tmp_path / "nonce"
    nonce.touch()
    identity = listener.start(None, listener.Duty("mad-1", "", "n", str(nonce), 1.0))
    for number in (signum, signal.SIGTERM):
        processes.send(processes.from_json(identity)[0], number)
    _seconds_until_gone(identity)
    assert not nonce.exists()


def test_recorded_names_the_listener_as_long_as_it_lives(tmp_path: Path) -> None:
    """Another preflight learns whose the port is; of another port it learns nothing."""
    record = str(tmp_path / "record")
    server = probe_port.bind(0)
    port = server.getsockname()[1]
    identity = listener.start(server, listener.Duty("mad-7", record, "n", None, 30.0))
    deadline = time.monotonic() + 4
    while not Path(record).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    found = listener_record.recorded(record, port) or {}
    assert found == {**identity, "port": port, "run_id": "mad-7"}
    assert listener_record.recorded(record, port + 1) is None
    assert (listener_record.end_other(record, port, "mad-7"), processes.is_running(identity)) == (False, True)
    assert (listener_record.end_other(record, port, "mad-8"), processes.is_running(identity)) == (True, False)
    assert listener_record.recorded(record, port) is None


def _echo(server: socket.socket) -> None:
    connection, _address = server.accept()
    with connection:
        connection.sendall(connection.recv(200))


def test_go_when_something_else_answers_then_it_is_not_taken_for_rank_0() -> None:
    """Even a server that sends back what it got does not know the answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_echo, args=(server,))
        thread.start()
        way = reach.Way("127.0.0.1", server.getsockname()[1], None, ())
        line = hello.hello("n", 1, "done")
        result = reach.go(way, line, "n", 1, 0.2)
        thread.join(5)
    assert result == reach.Result("stranger", f"something else answers there: {line[:60]!r}".replace(": b'", ": '"))


def test_go_when_nobody_listens_then_it_is_refused() -> None:
    """A closed port is told from silence."""
    with probe_port.bind(0) as server:
        port = server.getsockname()[1]
    assert go(port, "done", 1) == reach.Result("refused", "Connection refused")


def test_go_when_packets_are_lost_then_it_is_a_timeout() -> None:
    """A server whose queue is full answers no further SYN, as a firewall that drops packets."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert go(port, "done", 1) == reach.Result("timeout", "no answer in time")


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        (reach.Way("127.0.0.1", 0, "lo", ("127.0.0.1",)), ""),
        (reach.Way("127.0.0.1", 0, "nosuch0", ("127.0.0.1",)), "no_interface"),
    ],
    ids=["through-lo", "no-such-interface"],
)
def test_go_when_bound_to_an_interface_then_it_leaves_by_it(
    served: tuple[int, listener.Listener], way: reach.Way, kind: str
) -> None:
    """The interface that the training will use is the one that is tried."""
    port, _one = served
    assert reach.go(way._replace(port=port), hello.hello("n", 1, "done"), "n", 1, 0.2).kind == kind


def test_leave_by_when_the_device_is_forbidden_then_its_address_is_used(
    served: tuple[int, listener.Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old kernels let only root bind to a device; an address of the interface is the next best."""
    port, _one = served
    monkeypatch.setattr(socket, "SO_BINDTODEVICE", socket.SO_MARK if hasattr(socket, "SO_MARK") else 36)
    monkeypatch.setattr(socket.socket, "setsockopt", _forbidden)
    line = hello.hello("n", 1, "done")
    results = [
        reach.go(reach.Way("127.0.0.1", port, "lo", sources), line, "n", 1, 0.2).kind
        for sources in (("127.0.0.1",), ("192.0.2.77",), ("::1",))
    ]
    assert results == ["", "no_address", "no_address"]


def _forbidden(*_arguments: object) -> None:
    raise PermissionError(1, "Operation not permitted")
