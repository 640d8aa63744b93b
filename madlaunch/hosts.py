# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes in rank order to an Ansible inventory (pure).

The mapping has the form of a static inventory:
https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from madlaunch.hostlist import Node

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")
_GROUPS_OF_ANSIBLE = frozenset({"all", "ungrouped"})
"""A host of the same name would be taken for the group."""


def inventory_names(nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """Return one inventory name per node, in rank order, each one different.

    A name is the host as given. A host with several ports gets the port as a suffix, the colons of an IPv6 address
    become dashes (Ansible's host patterns split at colons; no name starts with a dash, like an option), and what is
    still not unique gets its rank.
    """
    hosts = Counter(node.host.casefold() for node in nodes)
    names: list[str] = []
    for rank, node in enumerate(nodes):
        name = _NOT_IN_A_NAME.sub("-", node.host)
        if name.startswith("-"):
            name = "ip" + name
        if hosts[node.host.casefold()] > 1 and node.port is not None:
            name = f"{name}-{node.port}"
        if name in names or name in _GROUPS_OF_ANSIBLE:
            name = f"{name}-rank{rank}"
        names.append(name)
    return tuple(names)


def build_inventory(nodes: tuple[Node, ...], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inventory: every host with its ``node_rank``, and ``variables`` for all of them."""
    hosts = {
        name: _host_variables(node, node_rank)
        for node_rank, (name, node) in enumerate(zip(inventory_names(nodes), nodes, strict=True))
    }
    group: dict[str, Any] = {"hosts": hosts} if hosts else {}
    return {"all": group | {"vars": dict(variables)}}


def _host_variables(node: Node, node_rank: int) -> dict[str, Any]:
    """Return what holds for one host alone."""
    variables: dict[str, Any] = {"ansible_host": node.host, "node_rank": node_rank}
    if node.user:
        variables["ansible_user"] = node.user
    if node.port is not None:
        variables["ansible_port"] = node.port
    return variables
