# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster in namespaces and one on loopback have in common, so that one test can run on either."""

from __future__ import annotations

import abc
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from tests.cluster.processes import Process
    from tests.cluster.sshd import Access


class AnyNode(Protocol):
    """What every node has."""

    name: str
    index: int
    address: str
    port: int
    public_key: str

    @property
    def home(self) -> Path:
        """Home directory of the launcher's login, as this machine's processes see it."""

    def processes(self, run_id: str | None = None) -> list[Process]:
        """The node's processes that belong to a run (None: to any run)."""


class AnyCluster(abc.ABC):
    """Nodes that can be logged into, until `close`.

    Attributes:
        base: Directory of the cluster's files; gone after `close`.
        access: How a client reaches the nodes.
        left_out: What these nodes cannot show that real ones would, one sentence each.
    """

    base: Path
    access: Access
    left_out: tuple[str, ...] = ()

    @property
    @abc.abstractmethod
    def hosts(self) -> Sequence[AnyNode]:
        """The nodes, in order."""

    @property
    @abc.abstractmethod
    def shared(self) -> Path:
        """The directory that all nodes share, as this machine's processes see it."""

    @property
    @abc.abstractmethod
    def job_args(self) -> list[str]:
        """Options of the launcher without which a job does not fit these nodes (interface, shared path)."""

    @abc.abstractmethod
    def prefix(self, cwd: Path | None = None) -> list[str]:
        """A command prefix that brings a program to where the nodes can be reached."""

    @abc.abstractmethod
    def close(self) -> None:
        """End all nodes and remove every trace."""

    def nodes_arg(self, *, names: bool = False) -> str:
        """The value of `--nodes`: addresses, or names where the control side knows them."""
        words = [node.name if names else node.address for node in self.hosts]
        pairs = zip(words, self.hosts, strict=True)
        return ",".join(word if node.port == 22 else f"{word}:{node.port}" for word, node in pairs)

    def launcher_args(self) -> list[str]:
        """All options with which the launcher reaches these nodes by key."""
        login = ["--ssh-user", self.access.user, "--ssh-key", str(self.access.key)]
        return ["--nodes", self.nodes_arg(), *login, f"--ssh-args={self.access.ssh_args()}", *self.job_args]

    def inventory_vars(self) -> dict[str, str]:
        """The same for an inventory of `ansible-playbook`."""
        return {
            "ansible_user": self.access.user,
            "ansible_ssh_private_key_file": str(self.access.key),
            "ansible_ssh_common_args": self.access.ssh_args(),
        }

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the control side and wait for it; its exit code is for the test to judge."""
        return subprocess.run(
            [*self.prefix(cwd), *argv],
            env=env,
            timeout=timeout_s,
            check=False,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )

    def popen(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        **options: Any,  # noqa: ANN401 - passed on to subprocess.Popen
    ) -> subprocess.Popen[Any]:
        """Start a program on the control side; its pid is the program's own, so signals reach it."""
        return subprocess.Popen([*self.prefix(cwd), *argv], **options)

    def ssh(self, index: int, command: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - passed on to run
        """Run a shell line on a node by a plain `ssh` with the cluster's key."""
        node = self.hosts[index]
        return self.run([*self.access.ssh_command(node.address, node.port), command], **options)

    def run_processes(self, run_id: str | None = None) -> dict[str, list[Process]]:
        """The processes of a run (None: of any run) by node; nodes without any are left out."""
        found = {node.name: node.processes(run_id) for node in self.hosts}
        return {name: processes for name, processes in found.items() if processes}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
