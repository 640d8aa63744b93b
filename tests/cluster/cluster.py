# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of nodes in namespaces, joined by a bridge that this machine's own network does not see. Needs root."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster import mounts, network, sshd
from tests.cluster.accounts import account_files
from tests.cluster.base import AnyCluster
from tests.cluster.namespaces import CONTROL_NAMESPACES, Namespaces, Plan
from tests.cluster.nodes import Node, Site
from tests.cluster.options import ClusterOptions, NodeOptions
from tests.cluster.sshd import Access

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Cluster(AnyCluster):
    """Boots when made; use it as a context manager.

    The launcher runs on the control side, a network namespace with the bridge and a mount namespace with the nodes'
    names: start it with `run` or `popen`.

    Args:
        nodes: How many.
        node: What every node has.
        overrides: Nodes that are different, by index from 0.
        options: What is the same for all nodes.
        base: Directory for the files, made here; None for a temporary one.
    """

    def __init__(
        self,
        nodes: int = 2,
        node: NodeOptions = NodeOptions(),  # noqa: B008 - frozen
        overrides: Mapping[int, NodeOptions] | None = None,
        options: ClusterOptions = ClusterOptions(),  # noqa: B008 - frozen
        base: Path | None = None,
    ) -> None:
        self.nodes: list[Node] = []
        self._cleanup = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self._cleanup.close)
            self.base = self._make_base(base)
            subnet = network.claim_subnet()
            self._cleanup.callback(subnet.release)
            self.access = self._make_access(options)
            self._control = self._start_control(subnet, options, nodes)
            site = Site(
                base=self.base,
                options=options,
                subnet=subnet,
                public_key=self.access.key.with_suffix(".pub").read_text(),
                accounts=account_files(self.access.password),
                control=self._control,
            )
            self.nodes = [Node(site, index, (overrides or {}).get(index, node)) for index in range(nodes)]
            self._boot()
            if options.known_hosts:
                self.write_known_hosts()
            undo.pop_all()

    @property
    def hosts(self) -> Sequence[Node]:
        """The nodes, in order."""
        return self.nodes

    @property
    def shared(self) -> Path:
        """The directory that nodes share as /nfs/data; it exists only within the cluster's mount namespaces."""
        return Path(f"/proc/{self._control.pid}/root{self.base}/shared")

    @property
    def job_args(self) -> list[str]:
        """Nothing: the nodes have the interface and the shared path that are the launcher's defaults."""
        return []

    @property
    def control_pid(self) -> int:
        """The process that holds the control side's namespaces."""
        return self._control.pid

    def prefix(self, cwd: Path | None = None) -> list[str]:
        """Enter the control side; the working directory must be set there, since entering mounts resets it."""
        return [*self._control.prefix(), "env", "-C", str(cwd or Path.cwd())]

    def mount_small(self, path: Path, size_kib: int) -> None:
        """Give the control side a small file system at a directory, to fill it (only there; gone with the cluster)."""
        self._control.run(mounts.tmpfs("small", path, f"size={size_kib}k,mode=700"))

    def write_known_hosts(self) -> None:
        """Make `known_hosts` what the nodes' keys are now."""
        lines = [
            sshd.known_hosts_line(name, node.port, node.public_key)
            for node in self.nodes
            for name in (node.address, node.name)
        ]
        self.access.known_hosts.write_text("".join(lines))

    def forget_known_hosts(self) -> None:
        """Empty `known_hosts`, as for somebody who never logged in."""
        self.access.known_hosts.write_text("")

    def close(self) -> None:
        """End all nodes, all programs on the control side, and remove the files."""
        self._cleanup.close()

    # --- making ---

    def _make_base(self, base: Path | None) -> Path:
        if base is None:
            base = Path(tempfile.mkdtemp(prefix="madlaunch-cluster-"))
        else:
            base.mkdir(mode=0o700)
        self._cleanup.callback(shutil.rmtree, base)
        return base

    def _make_access(self, options: ClusterOptions) -> Access:
        key, known_hosts = self.base / "id_ed25519", self.base / "known_hosts"
        sshd.make_key(key)
        known_hosts.touch()
        return Access(options.user, key, known_hosts, options.password or secrets.token_urlsafe(12))

    def _start_control(self, subnet: network.Subnet, options: ClusterOptions, nodes: int) -> Namespaces:
        names = [(subnet.address(index), options.hostname_pattern.format(index + 1)) for index in range(nodes)]
        self._hosts = "".join(f"{address}\t{name}\n" for address, name in [("127.0.0.1", "localhost"), *names])
        hosts, batch = self.base / "hosts", self.base / "network"
        hosts.write_text(self._hosts)
        batch.write_text(network.control_batch(subnet))
        (self.base / "shared").mkdir()
        setup = [["ip", "-batch", str(batch)], *mounts.control_plan(self.base, hosts)]
        control = Namespaces(CONTROL_NAMESPACES, Plan(setup, [], "").write(self.base / "plan.json"))
        self._cleanup.callback(control.close)
        control.wait_born()
        control.go()
        control.wait_ready()
        return control

    def _boot(self) -> None:
        """Boot all nodes at once: each step is begun on every node before its end is awaited on any."""
        for node in self.nodes:
            node.install(self._hosts)
        for node in self.nodes:
            self._cleanup.callback(node.close)
            node.start()
        self._control.ip("\n".join([node.plug_in() for node in self.nodes]))
        for node in self.nodes:
            node.go()
        for node in self.nodes:
            node.wait_ready()
