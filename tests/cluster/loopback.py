# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes without root: one user-level SSH server per node on 127.x.y.z, all of them on this one machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster import sshd
from tests.cluster.base import AnyCluster
from tests.cluster.errors import ClusterError
from tests.cluster.network import Subnet, claim_subnet
from tests.cluster.options import DEMO, SYSTEM_PATH, NodeOptions
from tests.cluster.processes import Process, all_pids, descendants, end, environment, run_processes, start_ticks
from tests.cluster.programs import link_programs
from tests.cluster.sshd import Access

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NODE_VARIABLE = "MADLAUNCH_TEST_NODE"
_MEMORY = Path("/dev/shm")
_PRIVILEGE_DIR = Path("/run/sshd")
_START_TIMEOUT_S = 10.0
_PORTS_TRIED = 20
LEFT_OUT = (
    "all nodes are one machine: one hostname, one boot id, one set of processes and interfaces (lo)",
    "nodes cannot be cut off, crash or have a network of their own",
    "the login is always this user, by key: a server without root checks no password",
)


class LoopbackNode:
    """One SSH server with a home directory of its own.

    Attributes:
        name: Its name (not its hostname, which is this machine's).
        index: Its place in the cluster, from 0.
        address: Its address, within 127.0.0.0/8.
        port: Port of its SSH server.
        public_key: Its host key.
    """

    def __init__(self, base: Path, subnet: Subnet, index: int, options: NodeOptions, port: int = 0) -> None:
        self.index = index
        self.options = options
        self.name = f"node{index + 1:02d}"
        self.address = subnet.loopback(index)
        self.port = port or _free_port([self.address])
        self.public_key = ""
        self._dir = base / self.name
        self._server: subprocess.Popen[bytes] | None = None
        self._sessions: list[tuple[int, int | None]] = []

    @property
    def home(self) -> Path:
        """Home directory of sessions on this node (HOME; the server itself starts them in the user's own)."""
        return self._dir / "home"

    @property
    def env(self) -> dict[str, str]:
        """Variables of every SSH session on this node."""
        env = {"PATH": f"{self._dir}/bin:{SYSTEM_PATH}", "HOME": str(self.home), NODE_VARIABLE: str(self._dir)}
        if self.options.madengine:
            env["MADENGINE_STANDIN"] = self.options.madengine
        return {**env, **self.options.env}

    def start(self, client_key: str) -> None:
        """Write the node's files and start its server."""
        self.home.mkdir(parents=True)
        if self.options.mad and (DEMO / "MAD").is_dir():
            shutil.copytree(DEMO / "MAD", self.home / "MAD", symlinks=True)
        link_programs(self._dir, self.options, str(DEMO))
        self.public_key = sshd.make_key(self._dir / "host_key")
        (self._dir / "authorized_keys").write_text(client_key)
        files = [str(self._dir / name) for name in ("host_key", "authorized_keys", "sshd.pid")]
        extra = (*self.options.sshd, *_locked_account())
        config = sshd.server_config(sshd.ServerPaths(*files), (self.address, self.port), self.env, extra)
        (self._dir / "sshd_config").write_text(config)
        self.start_sshd()

    def start_sshd(self) -> None:
        """Start the SSH server (in a session of its own: Ctrl-C at the tests' terminal is not for the nodes)."""
        # It ends with its owner, even when that one is killed.
        argv = ["setpriv", "--pdeathsig", "TERM", sshd.server_program(), "-D"]
        argv += ["-f", str(self._dir / "sshd_config"), "-E", str(self._dir / "sshd.log")]
        self._server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)

    def stop_sshd(self) -> None:
        """End the SSH server's listener; sessions that exist go on."""
        if self._server is not None:
            self._sessions += [(pid, start_ticks(pid)) for pid in descendants(self._server.pid)]
            self._server.terminate()
            self._server.wait()
            self._server = None
            (self._dir / "sshd.pid").unlink(missing_ok=True)

    def wait_ready(self) -> None:
        """Wait until the server listens; it writes its pid file then.

        Raises:
            ClusterError: The server ended; the message has its log.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not (self._dir / "sshd.pid").exists():
            if self._server is None or self._server.poll() is not None or time.monotonic() > deadline:
                log = self._dir / "sshd.log"
                message = f"the SSH server of {self.name} on {self.address}:{self.port} did not start: "
                raise ClusterError(message + (log.read_text().strip() if log.exists() else "it wrote no log"))
            time.sleep(0.002)

    def close(self) -> None:
        """End the server, the sessions and whatever they left running."""
        self.stop_sshd()
        for pid, ticks in [*self._sessions, *((pid, start_ticks(pid)) for pid in self._members())]:
            end(pid, ticks)

    def processes(self, run_id: str | None = None) -> list[Process]:
        """The node's processes that belong to a run (None: to any run)."""
        return run_processes(self._members(), run_id)

    def _members(self) -> list[int]:
        """Processes that came out of this node's sessions, by the variable that the sessions carry."""
        return [pid for pid in all_pids() if environment(pid).get(NODE_VARIABLE) == str(self._dir)]


class LoopbackCluster(AnyCluster):
    """Starts when made; use it as a context manager. Needs an OpenSSH server to be installed, and nothing else.

    Args:
        nodes: How many.
        node: What every node has; the network, the mounts and the clock of a node cannot be chosen here.
        overrides: Nodes that are different, by index from 0.
        base: Directory for the files, made here; None for a temporary one.
        same_port: Whether all servers listen at one port, as tools that take one port for all hosts need it.
    """

    left_out = LEFT_OUT

    def __init__(
        self,
        nodes: int = 2,
        node: NodeOptions = NodeOptions(),  # noqa: B008 - frozen
        overrides: Mapping[int, NodeOptions] | None = None,
        base: Path | None = None,
        *,
        same_port: bool = False,
    ) -> None:
        self.nodes: list[LoopbackNode] = []
        self._cleanup = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self._cleanup.close)
            self.base = self._directory(base)
            self._shared = self._make_shared()
            self._cleanup.enter_context(_privilege_dir())
            subnet = claim_subnet()
            self._cleanup.callback(subnet.release)
            self.access = Access(
                pwd.getpwuid(os.geteuid()).pw_name, self.base / "id_ed25519", self.base / "known_hosts", ""
            )
            client_key = sshd.make_key(self.access.key)
            port = _free_port([subnet.loopback(index) for index in range(nodes)]) if same_port else 0
            options = [(overrides or {}).get(index, node) for index in range(nodes)]
            self._start(
                [LoopbackNode(self.base, subnet, index, each, port) for index, each in enumerate(options)], client_key
            )
            undo.pop_all()

    def _start(self, nodes: list[LoopbackNode], client_key: str) -> None:
        for node in nodes:
            self.nodes.append(node)
            self._cleanup.callback(node.close)
            node.start(client_key)
        for node in nodes:
            node.wait_ready()
        lines = [sshd.known_hosts_line(node.address, node.port, node.public_key) for node in nodes]
        self.access.known_hosts.write_text("".join(lines))

    @property
    def hosts(self) -> Sequence[LoopbackNode]:
        """The nodes, in order."""
        return self.nodes

    @property
    def shared(self) -> Path:
        """The directory that all nodes share."""
        return self._shared

    @property
    def job_args(self) -> list[str]:
        """The interface and the shared path of these nodes."""
        return ["--nccl-interface", "lo", "--gloo-interface", "lo", "--shared-data-path", str(self._shared)]

    def prefix(self, cwd: Path | None = None) -> list[str]:
        """Only the working directory: the nodes are reached from everywhere on this machine."""
        return ["env", "-C", str(cwd or Path.cwd())]

    def close(self) -> None:
        """End all servers and everything that their sessions started, and remove the files."""
        self._cleanup.close()

    def _directory(self, base: Path | None) -> Path:
        if base is None:
            base = Path(tempfile.mkdtemp(prefix="madlaunch-cluster-"))
        else:
            base.mkdir(mode=0o700)
        self._cleanup.callback(shutil.rmtree, base)
        return base

    def _make_shared(self) -> Path:
        """A directory in memory where possible: a mount like a real shared path, other than that of the homes."""
        if not (_MEMORY.is_mount() and os.access(_MEMORY, os.W_OK)):
            shared = self.base / "shared"
            shared.mkdir()
            return shared
        shared = Path(tempfile.mkdtemp(prefix="madlaunch-cluster-", dir=_MEMORY))
        self._cleanup.callback(shutil.rmtree, shared)
        return shared


@contextlib.contextmanager
def _privilege_dir() -> Iterator[None]:
    """As root, OpenSSH wants /run/sshd, which the service makes at its start; removed again if it was not there."""
    if os.geteuid() != 0 or _PRIVILEGE_DIR.exists():
        yield
        return
    _PRIVILEGE_DIR.mkdir(mode=0o755)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            _PRIVILEGE_DIR.rmdir()


def _locked_account(shadow: Path = Path("/etc/shadow")) -> tuple[str, ...]:
    """As root, OpenSSH itself refuses an account whose password is locked, also by key; with PAM it does not."""
    if os.geteuid() != 0:
        return ()
    user = pwd.getpwuid(os.geteuid()).pw_name
    locked = any(line.startswith(f"{user}:!") for line in shadow.read_text().splitlines())
    return ("UsePAM yes",) if locked else ()


def _free_port(addresses: Sequence[str]) -> int:
    """A port that nobody listens on at any of the addresses.

    It stays free until the servers start, unless somebody asks for it by number.

    Raises:
        ClusterError: Each port that the system proposed was taken at another address.
    """
    for _ in range(_PORTS_TRIED):
        with contextlib.ExitStack() as probes:
            first = probes.enter_context(socket.create_server((addresses[0], 0)))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError):
                for address in addresses[1:]:
                    probes.enter_context(socket.create_server((address, port)))
                return port
    message = f"no port is free at all {len(addresses)} addresses from {addresses[0]} on ({_PORTS_TRIED} were tried)"
    raise ClusterError(message)
