# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes to an Ansible inventory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from madlaunch.hostlist import parse_nodes
from madlaunch.hosts import build_inventory, inventory_names
from tests.launcher.settling import launch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b,a", ("b", "a")),
        ("u@a:2222", ("a",)),
        ("a:1,b:2,a:3", ("a-1", "b", "a-3")),
        ("a,a:23", ("a", "a-23")),
        ("a:23,a:24,a-23", ("a-23", "a-24", "a-23-rank2")),
        ("[2001:db8::1],[fe80::1%eth0]", ("2001-db8--1", "fe80--1-eth0")),
        ("all,localhost,ungrouped", ("all-rank0", "localhost", "ungrouped-rank2")),
    ],
    ids=["plain", "login", "ports", "one-port", "clash", "ipv6", "groups"],
)
def test_inventory_names_when_hosts_are_odd_then_are_safe_and_different(text: str, expected: tuple[str, ...]) -> None:
    """A name has no sign that Ansible reads in host patterns, and no two are the same."""
    assert inventory_names(parse_nodes(text)) == expected


def test_inventory_when_built_then_holds_ranks_and_connection_per_host() -> None:
    """Every host has its address and rank; login and port only where they were given."""
    assert build_inventory(parse_nodes("b,u@a:2222,[::1]"), {"x": "y"}) == {
        "all": {
            "hosts": {
                "b": {"ansible_host": "b", "node_rank": 0},
                "a": {"ansible_host": "a", "node_rank": 1, "ansible_user": "u", "ansible_port": 2222},
                "ip--1": {"ansible_host": "::1", "node_rank": 2},
            },
            "vars": {"x": "y"},
        }
    }


def test_inventory_when_the_second_seed_example_then_equals_the_golden_file(repository: Path) -> None:
    """The whole inventory of a launch with a login, a password and a shared path, byte for byte."""
    made = launch(
        nodes="node1.cluster.com,node2.cluster.com",
        ssh_user="root",
        ssh_password="mypassword",
        shared_data_path="/shared/data",
    )
    golden = repository / "tests" / "launcher" / "golden" / "inventory.json"
    assert json.dumps(made.request.inventory, indent=2) + "\n" == golden.read_text(encoding="utf-8")
