# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, as ansible-inventory shows what it makes."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run_inventory(tmp_path: Path, collections_path: Path) -> Any:  # noqa: ANN401 - a function with keyword arguments
    """Return a function that writes a configuration and runs ansible-inventory on it."""

    def run(config: str, name: str = "test.nodes.yml", **environment: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / name
        path.write_text("plugin: madlaunch.multinode.nodes\n" + config)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("MADLAUNCH_", "SLURM_"))}
        environment |= {
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "ANSIBLE_NOCOLOR": "true",
            "COLUMNS": "10000",
        }
        command = ["ansible-inventory", "--inventory", str(path), "--list"]
        return subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=False, timeout=60)

    return run


def _plain(value: object) -> object:
    """Return a value without the marks that ansible-inventory puts around texts that are never templates."""
    if isinstance(value, dict):
        return value.get("__ansible_unsafe", {key: _plain(inner) for key, inner in value.items()})
    return value


def _hosts(result: subprocess.CompletedProcess[str]) -> tuple[list[str], object]:
    """Return the hosts of the group in order, and the variables of all."""
    assert result.returncode == 0, result.stderr
    listing = json.loads(result.stdout)
    group = next(iter(set(listing) - {"_meta", "all"}))
    return listing[group]["hosts"], _plain(listing["_meta"]["hostvars"])


def test_nodes_when_a_text_with_ranges_then_hosts_have_ranks_in_order(run_inventory: Any) -> None:  # noqa: ANN401
    """The order of writing is the order of the ranks; login and port of an entry go before those of all."""
    config = 'nodes: "b[02-03],admin@a:2222,[2001:db8::1]"\nuser: ubuntu\nport: 22\n'
    names = ["b02", "b03", "a", "2001-db8--1"]
    variables = {
        "b02": {"ansible_host": "b02", "ansible_user": "ubuntu", "ansible_port": 22, "node_rank": 0},
        "b03": {"ansible_host": "b03", "ansible_user": "ubuntu", "ansible_port": 22, "node_rank": 1},
        "a": {"ansible_host": "a", "ansible_user": "admin", "ansible_port": 2222, "node_rank": 2},
        "2001-db8--1": {"ansible_host": "2001:db8::1", "ansible_user": "ubuntu", "ansible_port": 22, "node_rank": 3},
    }
    assert _hosts(run_inventory(config)) == (names, variables)


def test_nodes_when_a_list_with_variables_then_later_ones_win(run_inventory: Any) -> None:  # noqa: ANN401
    """Variables of all hosts, then those of a range, then those of a later key that names the same host."""
    config = (
        "nodes: [n1, 'n[2-3]']\nvars: {mad_dir: /m, nccl_interface: x}\n"
        "host_vars: {'n[2-3]': {nccl_interface: y}, n3: {nccl_interface: z}}\n"
    )
    variables = {
        "n1": {"ansible_host": "n1", "node_rank": 0, "mad_dir": "/m", "nccl_interface": "x"},
        "n2": {"ansible_host": "n2", "node_rank": 1, "mad_dir": "/m", "nccl_interface": "y"},
        "n3": {"ansible_host": "n3", "node_rank": 2, "mad_dir": "/m", "nccl_interface": "z"},
    }
    assert _hosts(run_inventory(config)) == (["n1", "n2", "n3"], variables)


@pytest.mark.parametrize("variable", ["SLURM_JOB_NODELIST", "SLURM_NODELIST"])
def test_nodes_when_slurm_then_nodes_are_those_of_the_allocation(run_inventory: Any, variable: str) -> None:  # noqa: ANN401
    """The allocation around Ansible gives the nodes, in Slurm's order."""
    names = ["tux1", "tux2", "gpu-a01"]
    variables = {name: {"ansible_host": name, "node_rank": rank} for rank, name in enumerate(names)}
    assert _hosts(run_inventory("slurm: true\n", **{variable: "tux[1-2],gpu-a01"})) == (names, variables)


def test_nodes_when_hostfile_is_relative_then_it_lies_beside_the_inventory(run_inventory: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """A host file is found from the inventory's folder, wherever Ansible runs."""
    (tmp_path / "hosts.txt").write_text("n2 slots=8\nn1 port=2222\n")
    variables = {
        "n2": {"ansible_host": "n2", "node_rank": 0},
        "n1": {"ansible_host": "n1", "node_rank": 1, "ansible_port": 2222},
    }
    assert _hosts(run_inventory("hostfile: hosts.txt\n")) == (["n2", "n1"], variables)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        pytest.param("", "The file names none of them. Set exactly one of nodes, hostfile and slurm.", id="none"),
        pytest.param(
            "nodes: a\nslurm: true\n",
            "The file names nodes and slurm. Set exactly one of nodes, hostfile and slurm.",
            id="two sources",
        ),
        pytest.param("nodes: [a, a]\n", "Node a is named twice, in places 1 and 2. Name every node once.", id="twice"),
        pytest.param("nodes: [a, 7]\n", "nodes has the entry 7, which is no text.", id="a number"),
        pytest.param("slurm: true\n", "slurm is true, but SLURM_JOB_NODELIST is not set.", id="no allocation"),
        pytest.param("hostfile: absent\n", "The host file cannot be read: [Errno 2]", id="no host file"),
        pytest.param(
            "nodes: a\nhost_vars: {b: {x: 1}}\n",
            "host_vars names b, which is not among the nodes. Correct 'b', or add the node.",
            id="variables of another host",
        ),
        pytest.param(
            "nodes: a\nhost_vars: {a: 1}\n", "host_vars of 'a' is 1. Write name: value pairs", id="no variables"
        ),
    ],
)
def test_nodes_when_the_file_is_wrong_then_ansible_shows_why(run_inventory: Any, config: str, reason: str) -> None:  # noqa: ANN401
    """Nothing is guessed: a file that cannot be used ends Ansible with the reason and what to write."""
    result = run_inventory(config)
    assert result.returncode != 0
    assert reason in " ".join(result.stderr.split())


def test_nodes_when_the_name_of_the_file_is_another_then_it_is_not_ours(run_inventory: Any) -> None:  # noqa: ANN401
    """Only the documented names are read, so that other plugins' files are left to them."""
    result = run_inventory("nodes: a\n", name="test.yml")
    assert result.returncode != 0
    assert "could not be verified by inventory plugin 'madlaunch.multinode.nodes'" in " ".join(result.stderr.split())
