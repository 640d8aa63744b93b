# SPDX-License-Identifier: GPL-3.0-or-later
"""The master port: free, taken, and by whom."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import probe_port
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.probe_procs import command, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import socket, sys
server = socket.socket()
server.bind((sys.argv[1], 0))
server.listen()
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(address: str, **environment: str) -> Iterator[tuple[int, int]]:
    """Let another process hold a port; yield the port and the process id."""
    argv = [sys.executable, "-c", HOLD, address]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
        process.communicate("")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.7.7", "0.0.0.0"])  # noqa: S104 - that it is taken on all is the point
def test_can_bind_when_any_address_of_the_port_is_taken_then_not(address: str) -> None:
    """Torchrun's store binds all addresses, so a port that is taken on one of them is taken."""
    with holding(address) as (port, _pid):
        assert probe_port.can_bind(port) is False
    assert probe_port.can_bind(port) is True


def test_can_bind_when_connections_wait_out_their_time_then_free() -> None:
    """Connections that have ended (TIME_WAIT) hold nobody up, and nobody is said to hold the port."""
    with probe_port.bind(0) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()
            assert client.recv(1) == b""
    assert (probe_port.can_bind(port), probe_port.holder(port)) == (True, None)


def test_holder_when_a_run_holds_the_port_then_process_and_run_are_named() -> None:
    """An earlier run of the launcher is known by the run id in its environment."""
    with holding("127.0.0.1", MADLAUNCH_RUN_ID="mad-7") as (port, pid):
        assert probe_port.holder(port) == {
            "pid": pid,
            "user": user_name(os.getuid()),
            "command": command(pid),
            "run_id": "mad-7",
        }
        assert command(pid).endswith("127.0.0.1")
        assert "\n" not in command(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_holder_when_it_is_another_users_then_the_user_is_named() -> None:
    """Without root, the sockets of others are seen, but not their processes."""
    with holding("127.0.0.1") as (port, _pid):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os.write(writer, repr(probe_port.holder(port)).encode())
            os._exit(0)
        os.waitpid(child, 0)
        expected = {"pid": None, "user": "root", "command": "", "run_id": None}
        assert os.read(reader, 999).decode() == repr(expected)
        os.close(reader)
        os.close(writer)
