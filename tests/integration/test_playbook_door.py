# SPDX-License-Identifier: GPL-3.0-or-later
"""The second door: ansible-playbook without the launcher makes the same run, with live lines and a true exit code."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import REPOSITORY, environment
from tests.integration.running import check_nothing_left, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.base import AnyCluster
    from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.cluster]

# How a clone is made known to Ansible: one link in the place where it looks by itself.
LINK = """
mkdir -p ~/.ansible/collections/ansible_collections/madlaunch
ln -s "$PWD" ~/.ansible/collections/ansible_collections/madlaunch/multinode
"""


@contextmanager
def _home() -> Iterator[Path]:
    """A home directory with a short name: paths of sockets, which Ansible keeps there, must be short."""
    with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _environment(home: Path, state: Path) -> dict[str, str]:
    return environment(
        state, HOME=str(home), XDG_STATE_HOME=str(home / "state"), ANSIBLE_NOCOLOR="1", PYTHONUNBUFFERED="1"
    )


def _inventory(cluster: AnyCluster, path: Path) -> list[str]:
    """Write an inventory as a person would, named hosts with their variables; return the words that choose it."""
    hosts = {
        f"worker{rank}": {"ansible_host": node.address, "ansible_port": node.port, "node_rank": rank}
        for rank, node in enumerate(cluster.hosts[:2])
    }
    document = {"training": {"hosts": hosts, "vars": cluster.inventory_vars()}}
    path.write_text(json.dumps(document))
    return ["-i", str(path)]


def _log_dir(home: Path) -> Path:
    runs = list((home / ".local/state/madlaunch/runs").glob("*")) + list((home / "state/madlaunch/runs").glob("*"))
    assert len(runs) == 1
    return runs[0]


def test_playbook_of_the_clone_when_run_then_trains_with_live_lines(node_cluster: Cluster, tmp_path: Path) -> None:
    """`ansible-playbook -i inventory.yml playbooks/launch.yml` in the clone, which a link makes known to Ansible."""
    with _home() as home:
        env = _environment(home, tmp_path)
        subprocess.run(["sh", "-ec", LINK], cwd=REPOSITORY, env=env, check=True)
        words = ["ansible-playbook", *_inventory(node_cluster, tmp_path / "inventory.yml"), "playbooks/launch.yml"]
        words += ["-e", "model=demo_sleep", "-e", json.dumps({"container_env": {"DEMO_SECONDS": "5"}})]
        with running(node_cluster, words, env) as started:
            first = started.wait_for(lambda line: line == "[worker1:1] tick 1 of 5 on node 1")
            last = started.wait_for(lambda line: line == "[worker1:1] tick 5 of 5 on node 1")
            assert started.end() == 0, started.errors()
        # The ticks are a second apart on the node: lines that all came at the end would be close together.
        assert last.at_s - first.at_s > 2
        for rank in (0, 1):
            label = f"[worker{rank}:{rank}] "
            shown = [line.text.removeprefix(label) for line in started.lines if line.text.startswith(label)]
            assert shown == (_log_dir(home) / f"rank{rank}.log").read_text().splitlines()
        summary = json.loads((_log_dir(home) / "summary.json").read_text())
    assert (summary["outcome"]["state"], summary["model"]) == ("ok", "demo_sleep")


def test_installed_collection_when_a_rank_fails_then_so_does_the_play(node_cluster: Cluster, tmp_path: Path) -> None:
    """Built and installed by ansible-galaxy, called by its full name, on hosts of the inventory plugin."""
    build = ["ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True)
    archive = next(tmp_path.glob("*.tar.gz"))
    config = {
        "plugin": "madlaunch.multinode.nodes",
        "nodes": f"{node_cluster.hosts[0].address},{node_cluster.hosts[1].address}",
        "user": node_cluster.access.user,
        "vars": {**node_cluster.inventory_vars(), "grace_s": 5},
    }
    (tmp_path / "cluster.nodes.yml").write_text(json.dumps(config))
    with _home() as home:
        env = _environment(home, tmp_path)
        install = ["ansible-galaxy", "collection", "install", "--offline", str(archive)]
        subprocess.run(install, check=True, capture_output=True, env=env)
        words = ["ansible-playbook", "-i", "cluster.nodes.yml", "madlaunch.multinode.launch", "-e", "model=demo_fail"]
        with running(node_cluster, words, env, cwd=tmp_path) as started:
            code = started.end()
        outcome = json.loads((_log_dir(home) / "summary.json").read_text())["outcome"]
    shown = "\n".join(line.text for line in started.lines)
    assert code == 2, shown + started.errors()
    assert [rank["state"] for rank in outcome["ranks"]] == ["stopped", "failed"]
    failed = node_cluster.hosts[1].address
    assert f"[{failed}:1] demo_fail: node 1 ends with exit code 7" in shown.splitlines()
    assert f"rank 1 on {failed}: failed: " in shown
    check_nothing_left(node_cluster)
