# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook on the installed collection, as an estate calls it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.integration.launching import environment

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from tests.cluster.cluster import Cluster


class Estate:
    """A control node that knows these nodes and has the collection; it has no clone and no launcher."""

    def __init__(self, cluster: Cluster, installed: Path, home: Path) -> None:
        self.cluster = cluster
        self._home = home
        self._environment = environment(
            home,
            HOME=str(home),
            XDG_STATE_HOME=str(home / "state"),
            ANSIBLE_COLLECTIONS_PATH=str(installed),
            ANSIBLE_NOCOLOR="1",
        )

    def play(
        self, name: str, *words: str, login: Mapping[str, str] | None = None, **given: object
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the playbooks with more `words` and extra variables; `login` replaces the cluster's own."""
        hosts = {node.name: {"ansible_host": node.address} for node in self.cluster.nodes}
        document = {"training": {"hosts": hosts, "vars": dict(login or self.cluster.inventory_vars())}}
        (self._home / "inventory.yml").write_text(json.dumps(document))
        always = ["-i", "inventory.yml", "--forks", str(len(hosts)), "-e", json.dumps({"grace_s": 5, **given})]
        return self.cluster.run(
            ["ansible-playbook", *always, *words, f"madlaunch.multinode.{name}"], cwd=self._home, env=self._environment
        )

    def log_dir(self, name: str) -> str:
        """Return a directory for the files of a run on the control node, which is not there yet."""
        return str(self._home / name)

    def outcome(self, name: str) -> dict[str, Any]:
        """Return what a run with this log_dir ended as."""
        summary = json.loads((self._home / name / "summary.json").read_text())
        return dict(summary["outcome"])


def states(outcome: Mapping[str, Any]) -> list[str]:
    """Return how each rank ended, in the order of the ranks."""
    return [str(rank["state"]) for rank in outcome["ranks"]]
