# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in inventory/ are what their comments say, and name what there is to set."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

NODES_IN_ORDER = [f"node{number:02}" for number in range(1, 17)]


def _listing(path: Path, collections_path: Path, **environment: str) -> dict[str, Any]:
    """Return what ansible-inventory makes of one example."""
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(collections_path)}
    command = ["ansible-inventory", "--inventory", str(path), "--list"]
    result = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True, timeout=60
    )
    listing: dict[str, Any] = json.loads(result.stdout)
    return listing


def _ranks(listing: dict[str, Any]) -> dict[str, int]:
    """Return the rank of each host, in the order of the group."""
    return {host: listing["_meta"]["hostvars"][host]["node_rank"] for host in listing["training"]["hosts"]}


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        pytest.param("example.ini", NODES_IN_ORDER[:4], id="ini"),
        pytest.param("cluster.nodes.yml", NODES_IN_ORDER, id="plugin"),
        pytest.param("hostfile.nodes.yml", NODES_IN_ORDER[:4], id="host file"),
        pytest.param("slurm.nodes.yml", ["tux1", "tux2"], id="Slurm"),
    ],
)
def test_example_when_listed_then_hosts_have_their_ranks(
    repository: Path, collections_path: Path, name: str, hosts: list[str]
) -> None:
    """Every example makes the group training, its hosts in rank order."""
    listing = _listing(repository / "inventory" / name, collections_path, SLURM_JOB_NODELIST="tux[1-2]")
    assert _ranks(listing) == {host: rank for rank, host in enumerate(hosts)}


def test_example_ini_when_listed_then_differences_are_per_host(repository: Path, collections_path: Path) -> None:
    """The plain example shows a login for all, another address for training, and one host with another interface."""
    hostvars = _listing(repository / "inventory" / "example.ini", collections_path)["_meta"]["hostvars"]
    common = {"ansible_user": "ubuntu", "master_addr": "198.51.100.11"}
    expected = {f"node0{n}": {**common, "ansible_host": f"192.0.2.1{n}", "node_rank": n - 1} for n in range(1, 5)}
    expected["node04"] |= {"nccl_interface": "ens15np0", "gloo_interface": "ens15np0"}
    assert hostvars == expected


def test_group_vars_when_comments_are_removed_then_they_are_the_defaults(repository: Path) -> None:
    """inventory/group_vars/all.yml names every variable of a launch with its default, and sets none."""
    text = (repository / "inventory" / "group_vars" / "all.yml").read_text()
    defaults = yaml.safe_load((repository / "roles" / "job" / "defaults" / "main.yml").read_text())
    commented = "\n".join(re.findall(r"^# ([a-z][a-z_]*: \S.*)$", text, flags=re.MULTILINE))
    assert (yaml.safe_load(text), yaml.safe_load(commented)) == (None, defaults)
