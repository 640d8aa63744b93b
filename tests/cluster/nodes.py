# SPDX-License-Identifier: GPL-3.0-or-later
"""A node in namespaces of its own: its files, its boot, and the faults that a test can make on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster import mounts, network, sshd
from tests.cluster.accounts import LOGIN_ID
from tests.cluster.errors import ClusterError
from tests.cluster.mounts import NODE_DEMO, NODE_DIR, Layout
from tests.cluster.namespaces import NODE_NAMESPACES, Namespaces, Plan, variables
from tests.cluster.options import DEMO, LOGIN, SYSTEM_PATH, ClusterOptions, NodeOptions
from tests.cluster.processes import Process, run_processes, start_ticks, wait_gone
from tests.cluster.programs import link_programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PORT = 22
_FORWARD_TIMEOUT_S = 5.0
_SERVER = sshd.ServerPaths(
    host_key=f"{NODE_DIR}/ssh_host_ed25519_key",
    authorized_keys=f"{NODE_DIR}/authorized_keys",
    pid_file="/run/sshd.pid",
)
_HOLD_PORT = """
import socket, sys
holder = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("held", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Site:
    """What all nodes of a cluster have in common."""

    base: Path
    options: ClusterOptions
    subnet: network.Subnet
    public_key: str
    accounts: Mapping[str, str]
    control: Namespaces


class Node:
    """One node: boots, can be logged into, and can be broken.

    Attributes:
        name: Its hostname.
        index: Its place in the cluster, from 0.
        address: Its address in the network that SSH uses.
        second_address: Its address in the second network; empty when it is not connected to it.
        port: Port of its SSH server.
        public_key: Its host key.
    """

    def __init__(self, site: Site, index: int, options: NodeOptions) -> None:
        self._site = site
        self.index = index
        self.options = options
        self.name = site.options.hostname_pattern.format(index + 1)
        self.address = site.subnet.address(index)
        self.second_address = site.subnet.second_address(index) if options.second_interface else ""
        self.port = _PORT
        self.public_key = ""
        self._layout = Layout(site.base, self.name, site.options.shared_home)
        self._namespaces: Namespaces | None = None

    # --- life ---

    def install(self, hosts: str) -> None:
        """Write the node's files (once; a node that crashed boots with the files it had)."""
        layout = self._layout
        for path in (layout.root, layout.run, layout.etc):
            path.mkdir(parents=True)
        self.public_key = sshd.make_key(layout.run / "ssh_host_ed25519_key")
        self.accept_key(accepted=True)
        (layout.run / "sshd_config").write_text(self._server_config())
        (layout.run / "network").write_text(network.node_batch(self._site.subnet, self.index, self.options))
        files = {**self._site.accounts, "hosts": "\n".join([*self.options.hosts_lines, hosts])}
        files["hostname"] = f"{self.name}\n"
        for name, text in files.items():
            (layout.etc / name).write_text(text)
        (layout.etc / "shadow").chmod(0o600)
        link_programs(layout.run, self.options, NODE_DEMO)
        self._make_homes()

    def start(self) -> None:
        """Begin to boot: the namespaces come into being."""
        (self._layout.etc / "boot_id").write_text(f"{uuid.uuid4()}\n")
        setup = [network.ANNOUNCE, ["ip", "-batch", str(self._layout.run / "network")]]
        setup += mounts.node_plan(self._layout, self.options, self._site.options.visible)
        # A server that starts says what is wrong only in its log; one that tests says it here.
        setup.append([sshd.server_program(), "-t", "-f", f"{NODE_DIR}/sshd_config"])
        plan = Plan(setup, self._server_argv(), _SERVER.pid_file).write(self._layout.node / "plan.json")
        # From within the control side, whose mounts hold the file system that all nodes share.
        self._namespaces = Namespaces(NODE_NAMESPACES, plan, self._site.control.prefix())

    def plug_in(self) -> str:
        """Wait for the namespaces; return the `ip` commands that plug in the node's cables."""
        self.namespaces.wait_born()
        return network.cable_batch(self.index, self.namespaces.pid, self.options)

    def go(self) -> None:
        """Go on with the boot (the cables are in)."""
        self.namespaces.go()

    def wait_ready(self) -> None:
        """Wait until the SSH server listens."""
        self.namespaces.wait_ready()

    def boot(self) -> None:
        """Boot again after a crash: the same disk, a new boot id."""
        if self.alive:
            message = f"{self.name} runs already"
            raise ClusterError(message)
        self.start()
        self._site.control.ip(self.plug_in())
        self.go()
        self.wait_ready()
        self._come_back()

    def close(self) -> None:
        """End the node and wait until all its processes are gone."""
        if self._namespaces is not None:
            self._namespaces.close()

    @property
    def namespaces(self) -> Namespaces:
        """The node's namespaces; an error before the first boot."""
        if self._namespaces is None:
            message = f"{self.name} was not started"
            raise ClusterError(message)
        return self._namespaces

    @property
    def alive(self) -> bool:
        """Whether the node runs."""
        return self._namespaces is not None and self._namespaces.alive

    # --- looking and acting inside ---

    @property
    def env(self) -> dict[str, str]:
        """Variables of every SSH session on this node."""
        env = {"PATH": f"{NODE_DIR}/bin:{SYSTEM_PATH}"}
        if self.options.madengine:
            env["MADENGINE_STANDIN"] = self.options.madengine
        return {**env, **self.options.env}

    @property
    def home(self) -> Path:
        """Home directory of the launcher's login, as this machine's processes see it."""
        user = self._site.options.user
        return self._layout.homes / ("root" if user == "root" else f"home/{user}")

    def path(self, path: str) -> Path:
        """A file of the running node, as this machine's processes see it."""
        return Path(f"/proc/{self.namespaces.pid}/root") / path.lstrip("/")

    def exec(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - passed on to subprocess.run
        """Run a program on the node as root, without SSH; a failure raises unless ``check=False`` is given."""
        return self.namespaces.run([*self._variables(), *argv], **options)

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:  # noqa: ANN401 - passed on to subprocess.Popen
        """Start a program on the node as root, without SSH."""
        return self.namespaces.popen([*self._variables(), *argv], **options)

    def _variables(self) -> list[str]:
        return variables({**self.env, "PATH": f"{self.env['PATH']}:/usr/sbin:/sbin", "HOME": "/root"})

    def processes(self, run_id: str | None = None) -> list[Process]:
        """The node's processes that belong to a run (None: to any run); none on a node that is down."""
        return run_processes(self.namespaces.pids(), run_id) if self.alive else []

    # --- faults: network ---

    def cut(self, *, silent: bool = False) -> None:
        """Cut the node off: pull its cable, or silently (the interface still has a carrier, packets vanish)."""
        state = f"master {network.VOID_BRIDGE}" if silent else "down"
        self._site.control.ip(f"link set {network.port_name(self.index)} {state}")

    def mend(self) -> None:
        """Take `cut` back."""
        port = network.port_name(self.index)
        self._site.control.ip(f"link set {port} master {network.BRIDGE} up")
        self._come_back()

    def _come_back(self) -> None:
        """Wait until the bridge forwards again what the node sends, and tell everybody that it is there."""
        port = network.port_name(self.index)
        deadline = time.monotonic() + _FORWARD_TIMEOUT_S
        while "forwarding" not in self._site.control.run(["ip", "-details", "link", "show", port]).stdout:
            if time.monotonic() > deadline:
                message = f"the bridge does not forward from {port} after {_FORWARD_TIMEOUT_S} s"
                raise ClusterError(message)
            time.sleep(0.01)
        self.namespaces.ip(network.announce_batch(self.index, self.options))

    def set_interface(self, name: str, *, up: bool) -> None:
        """Take an interface of the node down or up, as an administrator would on the node."""
        self.exec(["ip", "link", "set", name, "up" if up else "down"])

    @contextlib.contextmanager
    def port_dropped(self, port: int) -> Iterator[None]:
        """Throw away what comes in for a TCP port, without an answer, as most firewalls do."""
        selector = f"iif {self.options.second_interface or self.options.interface}"
        with self._blocked(network.block_batch(port, "blackhole", selector)):
            yield

    @contextlib.contextmanager
    def port_refused_to(self, port: int, address: str) -> Iterator[None]:
        """Let connections from this node to one address and port fail at once (ENETUNREACH)."""
        with self._blocked(network.block_batch(port, "unreachable", f"to {address}")):
            yield

    @contextlib.contextmanager
    def _blocked(self, batch: str) -> Iterator[None]:
        self.namespaces.ip(batch)
        try:
            yield
        finally:
            if self.alive:
                self.namespaces.ip(network.unblock_batch())

    @contextlib.contextmanager
    def port_held(self, port: int, address: str = "0.0.0.0", user_id: int = 0) -> Iterator[int]:  # noqa: S104 - inside the node's own network
        """Have another program listen on a port; gives the program's pid on the node."""
        become = ["setpriv", f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups"]
        argv = [*become, "/usr/bin/python3", "-c", _HOLD_PORT, address, str(port)]
        with self.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            if holder.stdout.readline() != b"held\n":
                message = f"port {port} of {address} on {self.name} cannot be held"
                raise ClusterError(message)
            listening = self.exec(["ss", "-Hltnp", f"sport = :{port}"]).stdout
            yield int(listening.partition("pid=")[2].partition(",")[0])

    # --- faults: the machine ---

    def crash(self) -> None:
        """Lose the node as a power cut does: no farewell on any connection, then every process is gone."""
        self.cut(silent=True)
        self.namespaces.kill()
        # The kernel takes down what is left of the node's network in its own time; the next boot needs the names.
        for second in (False, True):
            argv = ["ip", "link", "delete", network.port_name(self.index, second=second)]
            self._site.control.run(argv, check=False)

    def fill(self, directory: str) -> None:
        """Fill the file system of a directory on the node to the last byte."""
        self.exec(["dd", "if=/dev/zero", f"of={directory}/filler", "bs=4k"], check=False)

    # --- faults: SSH ---

    def stop_sshd(self) -> None:
        """End the SSH server's listener; sessions that exist go on."""
        pid_file = self.path(_SERVER.pid_file)
        self.exec(["kill", pid_file.read_text().strip()])
        self._wait_for_server(running=False)

    def start_sshd(self) -> None:
        """Start the SSH server again."""
        self.exec(self._server_argv())
        self._wait_for_server(running=True)

    def drop_sessions(self) -> None:
        """Kill the servers of all SSH sessions; the listener goes on. What the sessions had started, stays."""
        listener = self.path(_SERVER.pid_file).read_text().strip()
        self.exec(["sh", "-c", 'for p in $(pidof sshd); do [ "$p" = "$0" ] || kill -9 "$p"; done; true', listener])

    def change_host_key(self) -> None:
        """Give the server another key, as a node that was installed anew; connections that exist go on."""
        self.public_key = sshd.make_key(self._layout.run / "ssh_host_ed25519_key")
        self._restart_sshd()

    def accept_key(self, *, accepted: bool) -> None:
        """Let the cluster's key in, or refuse it (from the next login on)."""
        (self._layout.run / "authorized_keys").write_text(self._site.public_key if accepted else "")

    def set_sshd(self, *lines: str) -> None:
        """Put lines on top of `sshd_config` and restart the server; none takes earlier ones back."""
        (self._layout.run / "sshd_config").write_text("\n".join([*lines, self._server_config()]))
        self._restart_sshd()

    def set_gpus(self, count: int) -> None:
        """Change how many devices `rocm-smi` reports (on a node that was made with at least one)."""
        (self._layout.run / "gpus").write_text(f"{count}\n")

    def _restart_sshd(self) -> None:
        self.stop_sshd()
        self.start_sshd()

    def _wait_for_server(self, *, running: bool) -> None:
        test = '[ -e "$0" ]' if running else '[ ! -e "$0" ]'
        script = f"until {test}; do sleep 0.01; done"
        self.exec(["sh", "-c", script, _SERVER.pid_file], timeout=10.0)

    def _server_argv(self) -> list[str]:
        return [sshd.server_program(), "-f", f"{NODE_DIR}/sshd_config", "-E", f"{NODE_DIR}/sshd.log"]

    def _server_config(self) -> str:
        return sshd.server_config(_SERVER, ("0.0.0.0", _PORT), self.env, self.options.sshd)  # noqa: S104 - inside the node's own network

    def _make_homes(self) -> None:
        homes = self._layout.homes
        for path, owner in ((homes / "root", 0), (homes / "home" / LOGIN, LOGIN_ID)):
            if path.exists():
                continue  # another node made it: the homes are shared
            path.mkdir(parents=True)
            if self.options.mad and (DEMO / "MAD").is_dir():
                shutil.copytree(DEMO / "MAD", path / "MAD", symlinks=True)
            if self.options.state_kib:
                (path / mounts.STATE_DIR).mkdir(parents=True)
            for entry in (path, *path.rglob("*")):
                os.chown(entry, owner, owner, follow_symlinks=False)
            path.chmod(0o755 if self._site.options.visible else 0o700)


def kill_all(processes: Sequence[Process]) -> None:
    """Kill processes of a run (SIGKILL), as the kernel does when memory runs out, and wait until they are gone."""
    started = [(process.pid, start_ticks(process.pid)) for process in processes]
    for pid, _ in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid, ticks in started:
        if ticks is not None:
            wait_gone(pid, ticks, timeout_s=5.0)
