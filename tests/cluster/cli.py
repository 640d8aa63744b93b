# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the test cluster.

`up` starts a keeper, a process of its own that holds the nodes, and returns when all of them answer; `down` ends that
keeper, and with it the nodes. Nothing else is ever killed: the keeper is known by its number and the time it started.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.namespaces import can_unshare
from tests.cluster.options import REPOSITORY, Shared
from tests.cluster.processes import end, start_ticks

_END_TIMEOUT_S = 20.0
_NOT_UP = 3
_HELP = {
    "up": "start nodes, wait until they answer, print how to use them",
    "down": "end the nodes and remove their files",
    "status": "print again what `up` printed",
    "args": "print the launcher's options for these nodes, quoted for a shell",
    "inventory": "print an Ansible inventory of these nodes; it reaches them from this machine's own network too",
    "keep": "what `up` starts in the background; it holds the nodes until a signal ends it",
}


@dataclass(frozen=True)
class Record:
    """What `cluster.json` says of a running cluster."""

    keeper_pid: int
    keeper_ticks: int
    kind: str
    prefix: list[str]
    launcher_args: list[str]
    inventory: dict[str, Any]
    ssh: dict[str, list[str]]
    paths: list[str]
    left_out: list[str]

    @property
    def alive(self) -> bool:
        """Whether its keeper runs, and with it the nodes."""
        return start_ticks(self.keeper_pid) == self.keeper_ticks


def main(arguments: list[str]) -> int:
    """Carry out one command; 0 when it did, 1 when it could not, 2 for wrong usage, 3 for `status` of no cluster."""
    options = _parser().parse_args(arguments)
    commands = {"up": _up, "down": _down, "status": _status, "args": _args, "inventory": _inventory, "keep": _keep}
    try:
        return commands[options.command](options)
    except ClusterError as error:
        sys.stderr.write(f"tests.cluster: {error}\n")
        return 1


def default_dir() -> Path:
    """One cluster per user, unless `--dir` says otherwise."""
    return Path(tempfile.gettempdir()) / f"madlaunch-cluster-of-{os.geteuid()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in _HELP.items():
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--dir", type=Path, default=default_dir(), help="the cluster's files (default %(default)s)"
        )
        if name in {"up", "keep"}:
            command.add_argument("--nodes", type=int, default=2, help="how many nodes (default %(default)s)")
            command.add_argument("--loopback", action="store_true", help="without root: servers on 127.0.x.y")
            command.add_argument("--madengine", choices=["1", "2"], default="2", help="which major version nodes have")
            command.add_argument("--gpus", type=int, default=2, help="GPUs per node (default %(default)s)")
            command.add_argument(
                "--last-shared",
                choices=list(Shared),
                default=Shared.SHARED,
                help="what the last node has at /nfs/data (default: what all have)",
            )
    return parser


def _up(options: argparse.Namespace) -> int:
    base: Path = options.dir.absolute()
    if base.exists():
        message = f"{base} exists; end the cluster in it with: {_down_command(base)}"
        raise ClusterError(message if _read(base) else f"{base} exists; name another directory with --dir")
    argv = [sys.executable, "-m", "tests.cluster", "keep", "--dir", str(base), "--nodes", str(options.nodes)]
    argv += ["--madengine", options.madengine, "--gpus", str(options.gpus)]
    argv += ["--last-shared", options.last_shared]
    argv += ["--loopback"] if options.loopback or not can_unshare() else []
    _start_keeper(argv)
    return _status(options)


def _start_keeper(argv: list[str]) -> None:
    """Start the keeper and wait for its first line, which says that all nodes answer; errors come on the same pipe."""
    keeper = subprocess.Popen(
        argv,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert keeper.stdout is not None
    with keeper.stdout as output:
        first = output.readline()
        if first != "up\n":
            message = f"the cluster did not start: {first}{output.read()}".strip()
            keeper.wait()
            raise ClusterError(message)
    keeper.returncode = 0  # it lives on and is not ours to wait for


def _keep(options: argparse.Namespace) -> int:
    from tests.cluster.keeper import keep

    keep(options)


def _down(options: argparse.Namespace) -> int:
    record = _read(options.dir)
    if record is None:
        sys.stdout.write(f"no cluster is up in {options.dir}\n")
        return 0
    end(record.keeper_pid, record.keeper_ticks, _END_TIMEOUT_S)
    for path in record.paths:
        # There is something to remove only if the keeper was killed; its nodes ended with it.
        shutil.rmtree(path, ignore_errors=True)
    sys.stdout.write(f"the nodes of {options.dir} are ended\n")
    return 0


def _status(options: argparse.Namespace) -> int:
    record = _read(options.dir)
    if record is None:
        sys.stdout.write(f"no cluster is up in {options.dir}\n")
        return _NOT_UP
    if not record.alive:
        sys.stdout.write(f"the nodes of {options.dir} were killed; clear up with: {_down_command(options.dir)}\n")
        return _NOT_UP
    sys.stdout.write(describe(record, options.dir))
    return 0


def _args(options: argparse.Namespace) -> int:
    sys.stdout.write(f"{shlex.join(_alive(options.dir).launcher_args)}\n")
    return 0


def _inventory(options: argparse.Namespace) -> int:
    sys.stdout.write(f"{json.dumps(_alive(options.dir).inventory, indent=2)}\n")
    return 0


def _down_command(base: Path) -> str:
    return f"python3 -m tests.cluster down --dir {shlex.quote(str(base))}"


def describe(record: Record, base: Path) -> str:
    """What `up` and `status` print: the nodes, and the commands to use them."""
    launcher = [*record.prefix, "python3", "launcher.py", *record.launcher_args, "--model", "MODEL"]
    lines = [f"{len(record.ssh)} nodes ({record.kind}), held by process {record.keeper_pid}"]
    lines += [f"  {name}  {shlex.join([*record.prefix, *argv])}" for name, argv in record.ssh.items()]
    lines += ["run the launcher on them (in the clone):", f"  {shlex.join(launcher)}"]
    lines += [f"note: {sentence}" for sentence in record.left_out]
    lines += ["end them:", f"  {_down_command(base)}"]
    return "\n".join(lines) + "\n"


def write(record: Record, base: Path) -> None:
    """Write `cluster.json`, whole or not at all."""
    new = base / "cluster.json.new"
    new.write_text(json.dumps(asdict(record), indent=1))
    new.replace(base / "cluster.json")


def _alive(base: Path) -> Record:
    """The record of the cluster that is up in a directory."""
    record = _read(base)
    if record is None or not record.alive:
        message = f"no cluster is up in {base}; start one with: python3 -m tests.cluster up"
        raise ClusterError(message)
    return record


def _read(base: Path) -> Record | None:
    """The record of the cluster in a directory; None when there is none."""
    try:
        return Record(**json.loads((base / "cluster.json").read_text()))
    except FileNotFoundError:
        return None
