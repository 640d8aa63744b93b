# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ansible estate with the collection installed in it, and what its `ansible-playbook` says."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.launching import REPOSITORY, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.cluster.base import AnyCluster, AnyNode
    from tests.cluster.nodes import Node

GROUP = "training"
LAUNCH, CHECK = "madlaunch.multinode.launch", "madlaunch.multinode.check"
PLAYBOOK_OK, PLAYBOOK_FAILED = 0, 2


@dataclass(frozen=True)
class Played:
    """What one call of ansible-playbook gave; `outcome` and `ranks` are those of the run, {} if none was judged."""

    returncode: int
    text: str
    outcome: dict[str, Any]

    @property
    def ranks(self) -> list[tuple[str, str]]:
        """Host and state of each rank, in order."""
        return [(rank["host"], rank["state"]) for rank in self.outcome.get("ranks", [])]

    def lines(self, host: str, node_rank: int) -> list[str]:
        """The lines of one rank, as shown."""
        label = f"[{host}:{node_rank}] "
        return [line.removeprefix(label) for line in self.text.splitlines() if line.startswith(label)]

    def check_ok(self, *hosts: str) -> None:
        """Fail unless the playbook ended well and every rank did, on these hosts in this order."""
        assert self.returncode == PLAYBOOK_OK, self.text
        assert self.ranks == [(host, "ok") for host in hosts], self.text


class Estate:
    """A folder with an inventory and plays, and a home with the collection as `ansible-galaxy` installed it.

    Attributes:
        folder: Where ansible-playbook is started.
        home: The home of the one who starts it.
    """

    def __init__(self, cluster: AnyCluster, folder: Path, home: Path, collections: Path) -> None:
        self._cluster = cluster
        self.folder = folder
        self.home = home
        self._env = environment(
            folder,
            HOME=str(home),
            ANSIBLE_COLLECTIONS_PATH=str(collections),
            ANSIBLE_NOCOLOR="1",
            # Seconds for a login; a test must not fail because the machine has much to do.
            ANSIBLE_TIMEOUT="60",
            PYTHONUNBUFFERED="1",
        )

    def write(self, name: str, content: object) -> None:
        """Write a file of the estate; what is no text becomes YAML (of which JSON is a part)."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))

    def inventory(self, hosts: Mapping[str, AnyNode], **variables: object) -> None:
        """Write `hosts.yml`: the group `training` of these hosts, with the variables of the cluster and more."""
        entries = {name: {"ansible_host": node.address} for name, node in hosts.items()}
        together = {**self._cluster.inventory_vars(), "log_dir": str(self.folder / "run"), **variables}
        self.write("hosts.yml", {GROUP: {"hosts": entries, "vars": together}})

    def play(self, playbook: str, *words: str, timeout_s: float = 120.0, **env: str) -> Played:
        """Run a playbook on `hosts.yml`; the files of its run are those of no earlier one."""
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        argv = ["ansible-playbook", "-i", "hosts.yml", playbook, *words]
        done = self._cluster.run(argv, cwd=self.folder, env={**self._env, **env}, timeout_s=timeout_s)
        summary = self.folder / "run/summary.json"
        outcome = json.loads(summary.read_text())["outcome"] if summary.exists() else {}
        return Played(done.returncode, done.stdout + done.stderr, outcome)

    def run(self, *argv: str) -> str:
        """Run another program of Ansible in the estate; return its output."""
        done = self._cluster.run(list(argv), cwd=self.folder, env=self._env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def install(folder: Path) -> Path:
    """Build the collection, install it into an empty folder, and leave in that what Ansible loads."""
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True)
    archive = next(folder.glob("madlaunch-multinode-*.tar.gz"))
    collections = folder / "collections"
    words = ["ansible-galaxy", "collection", "install", "--offline", "-p", str(collections), str(archive)]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "HOME": str(folder)})
    for path in (collections / "ansible_collections/madlaunch/multinode").iterdir():
        if path.name not in {"meta", "playbooks", "plugins", "roles", "MANIFEST.json", "FILES.json"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return collections


@contextlib.contextmanager
def estate_of(cluster: AnyCluster, folder: Path, collections: Path) -> Iterator[Estate]:
    """Make an estate in a folder; its home has a short name, as paths of sockets, which Ansible keeps there, must."""
    with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as home:
        yield Estate(cluster, folder, Path(home), collections)


@contextlib.contextmanager
def login_shell(node: Node, shell: str) -> Iterator[None]:
    """Give the test login another shell."""
    passwd = node.path("/etc/passwd")
    before = passwd.read_text()
    passwd.write_text(before.replace(":/home/mluser:/bin/bash", f":/home/mluser:{shell}"))
    try:
        yield
    finally:
        passwd.write_text(before)


@contextlib.contextmanager
def sudoers(node: Node, text: str) -> Iterator[None]:
    """Lay a file over `/etc/sudoers` of a node."""
    place = node.path("/run/sudoers")
    place.write_text(text)
    place.chmod(0o440)
    node.exec(["mount", "--bind", "/run/sudoers", "/etc/sudoers"])
    try:
        yield
    finally:
        node.exec(["umount", "/etc/sudoers"])
