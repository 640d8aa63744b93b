# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that holds a cluster of the command line."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tests.cluster.cli import Record, write
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.loopback import LoopbackCluster
from tests.cluster.options import NodeOptions, Shared
from tests.cluster.processes import start_ticks

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from tests.cluster.base import AnyCluster

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def keep(options: argparse.Namespace) -> NoReturn:
    """Start the nodes, say `up` on standard output, and hold them until a signal ends them."""
    for number in _ENDS:
        signal.signal(number, _leave)
    with _make(options) as cluster:
        write(_record(cluster, options), options.dir)
        sys.stdout.write("up\n")
        sys.stdout.flush()
        _let_go_of_output()
        while True:
            signal.pause()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End the nodes, also half-started ones, once: a second signal must not interrupt the clearing up."""
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _make(options: argparse.Namespace) -> AnyCluster:
    node = NodeOptions(gpus=options.gpus, madengine=options.madengine)
    base: Path = options.dir
    if options.loopback:
        if options.last_shared != Shared.SHARED:
            message = f"--last-shared {options.last_shared} needs nodes in network namespaces, and those need root"
            raise ClusterError(message)
        return LoopbackCluster(options.nodes, node, base=base)
    last = {options.nodes - 1: replace(node, shared=Shared(options.last_shared))}
    return Cluster(options.nodes, node, last, base=base)


def _inventory(cluster: AnyCluster) -> dict[str, Any]:
    """An inventory for Ansible that is started anywhere on this machine: its ssh goes where the nodes are."""
    program = cluster.base / "ssh"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(cluster.prefix(Path("/")))} ssh "$@"\n')
    program.chmod(0o700)
    # Files travel through the same program; sftp would look for the nodes in this machine's own network.
    way = {"ansible_ssh_executable": str(program), "ansible_ssh_transfer_method": "piped"}
    names = [word.removeprefix("--").replace("-", "_") for word in cluster.job_args[::2]]
    given = dict(zip(names, cluster.job_args[1::2], strict=True))
    hosts = {node.name: {"ansible_host": node.address, "ansible_port": node.port} for node in cluster.hosts}
    return {"training": {"hosts": hosts, "vars": {**cluster.inventory_vars(), **way, **given}}}


def _record(cluster: AnyCluster, options: argparse.Namespace) -> Record:
    ticks = start_ticks(os.getpid())
    if ticks is None:
        message = "/proc does not tell when this process started; is it mounted?"
        raise ClusterError(message)
    return Record(
        keeper_pid=os.getpid(),
        keeper_ticks=ticks,
        kind="loopback" if options.loopback else "network namespaces",
        # The caller's directory, not this process's.
        prefix=[] if options.loopback else cluster.prefix(Path.cwd()),
        launcher_args=cluster.launcher_args(),
        inventory=_inventory(cluster),
        ssh={node.name: cluster.access.ssh_command(node.address, node.port) for node in cluster.hosts},
        paths=[str(cluster.shared), str(cluster.base)] if options.loopback else [str(cluster.base)],
        left_out=list(cluster.left_out),
    )


def _let_go_of_output() -> None:
    """Whoever started this process reads until the pipe ends, and must not wait for the nodes' whole life."""
    null = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(null, number)
