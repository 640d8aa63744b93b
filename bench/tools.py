# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that are compared: how each starts the same program on all hosts and shows its lines.

All have the same options of ssh. None of the others checks anything, stops anything or keeps a log.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import CLUSH, OURS
from bench.running import Command
from tests.integration.launching import LAUNCHER, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.hosts import Hosts

PDSH, MPIRUN = "pdsh", "mpirun"
_PACKAGES = {CLUSH: "clustershell", PDSH: "pdsh", MPIRUN: "openmpi-bin"}
# There is no GPU to count on these hosts.
_PROCESSES_PER_NODE = "8"
_TIMEOUT_S = "900"


def ours(hosts: Hosts, tag: str, *words: str) -> Command:
    """Return the launcher with its whole preflight; `words` are further flags."""
    cluster = hosts.cluster
    argv = [*LAUNCHER, "--model", tag, "--nodes", cluster.nodes_arg(), "--master-port", str(_free_port())]
    argv += ["--ssh-user", cluster.access.user, "--ssh-key", str(cluster.access.key)]
    argv += [f"--ssh-args={shlex.join(hosts.shared_ssh_words)}", *cluster.job_args, "--timeout", _TIMEOUT_S]
    argv += ["--madengine-path", str(hosts.program), "--nproc-per-node", _PROCESSES_PER_NODE, *words]
    return Command(argv, environment(hosts.state_dir))


def clush(hosts: Hosts, tag: str) -> Command:
    """Return ClusterShell's clush with all hosts at once."""
    return clush_command(hosts, hosts.command(tag))


def clush_command(hosts: Hosts, words: list[str], *options: str) -> Command:
    """Return clush for any command, with further options of ssh."""
    config = hosts.cluster.base / "clush.conf"
    config.write_text("[Main]\n")  # nothing of this machine's own configuration
    argv = [_program(CLUSH) or CLUSH, f"--conf={config}", "--nostdin", "-f", str(hosts.count), "-R", "ssh"]
    # It reads the options as a value of its configuration, where % begins the name of another one.
    ssh_options = shlex.join([*hosts.ssh_words, *options]).replace("%", "%%")
    argv += ["-o", ssh_options, "-l", hosts.cluster.access.user]
    return Command([*argv, "-w", ",".join(hosts.addresses), shlex.join(words)])


def pdsh(hosts: Hosts, tag: str) -> Command:
    """Return pdsh with all hosts at once."""
    argv = [_program(PDSH) or PDSH, "-R", "ssh", "-f", str(hosts.count), "-l", hosts.cluster.access.user]
    argv += ["-w", ",".join(hosts.addresses), shlex.join(hosts.command(tag))]
    return Command(argv, {**os.environ, "PDSH_SSH_ARGS_APPEND": shlex.join(hosts.ssh_words)})


def mpirun(hosts: Hosts, tag: str) -> Command:
    """Return Open MPI's mpirun with one process per host.

    It takes every loopback address for its own machine and would start all there without ssh; so it is given names
    that nobody knows, and an agent that turns them into addresses.
    """
    names = [f"bench{rank:04d}" for rank in range(hosts.count)]
    agent = hosts.cluster.base / "mpirun-agent"
    cases = "\n".join(f"  {name}) host={address} ;;" for name, address in zip(names, hosts.addresses, strict=True))
    login = shlex.join([*hosts.ssh_words, "-l", hosts.cluster.access.user])
    agent.write_text(f'#!/bin/sh\ncase $1 in\n{cases}\nesac\nshift\nexec ssh {login} "$host" "$@"\n')
    agent.chmod(0o755)
    settings = {
        "plm": "rsh",
        "plm_rsh_agent": str(agent),
        "plm_rsh_no_tree_spawn": "1",
        "plm_rsh_num_concurrent": str(hosts.count),
        "oob_tcp_if_include": "lo",
    }
    argv = [_program(MPIRUN) or MPIRUN, *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]
    argv += [word for name, value in settings.items() for word in ("--mca", name, value)]
    argv += ["--host", ",".join(f"{name}:1" for name in names), "--map-by", "ppr:1:node", "--bind-to", "none"]
    return Command([*argv, "-np", str(hosts.count), *hosts.command(tag)])


TOOLS: dict[str, Callable[[Hosts, str], Command]] = {OURS: ours, CLUSH: clush, PDSH: pdsh, MPIRUN: mpirun}


def left_out() -> dict[str, str]:
    """Return the tools that this machine does not have, with the reason."""
    return {
        name: f"{name} is not installed (Debian package {package})"
        for name, package in _PACKAGES.items()
        if _program(name) is None
    }


def _program(name: str) -> str | None:
    """Return the path of a program on PATH or beside this interpreter, where pip puts clush."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def _free_port() -> int:
    with socket.create_server(("", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
