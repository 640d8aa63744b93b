# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher and the collection read the same words, each with its own parser; they must mean the same nodes."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _nodelist

from madlaunch import hostlist, hostlist_file, hosts

TEXTS = [
    "a",
    "b,a",
    " a , b ",
    "node[01-16,20]",
    "node[10,2,4-5]",
    "rack[1-2]node[01-04]",
    "node[0-8/2]",
    "u@n[1-2]:2222,v@m",
    "root@[2001:db8::1]:22,[fe80::1%eth0]",
    "a:22,a:23",
    "a,a:23",
    "all,ungrouped",
    "a-22,a:22,a:23",
    "a,A",
    "n[1-3],n2",
    "a,,b",
    "a,",
    "",
    "2001:db8::1",
    "[2001:db8::zz]",
    "[1-3]",
    "a:0",
    "a:",
    "-o@a",
    "@a",
    "-a",
    "a;b",
    "n[1-2",
    "n1-2]",
    "n[[1]]",
    "n[]",
    "n[1-]",
    "n[3-1]",
    "n[01-3]",
    "n[9-010]",
    "n[0-10]",
    "n[1-2/0]",
    "n[1-5000]",
    "n[1-2, 4]",
    "192.0.2.300",
    "192.0.2.[1-3]",
    "a..b",
    "ä",
]

HOSTFILES = [
    "node1 slots=8\nnode2 slots=8\n",
    "u@node[1-2] max_slots=4 # two\n\n# none\nnode9 port=2222",
    "[2001:db8::1]\n",
    "node1:8\n",
    "u@[2001:db8::1]:22\n",
    "node1 gpus=8\n",
    "node1 port=0\n",
    "node1\nnode1\n",
    "a, b\n",
    "",
]

Meaning = list[tuple[str, str, str | None, int | None]] | str
"""Per node, in rank order: its name in the inventory, its address, login and port."""


def _launcher(nodes: tuple[hostlist.Node, ...]) -> Meaning:
    hostlist.check_unique(nodes, None)
    names = hosts.inventory_names(nodes)
    return [(name, node.host, node.user or None, node.port) for name, node in zip(names, nodes, strict=True)]


def _collection(nodes: list[_nodelist.Node]) -> Meaning:
    names = _nodelist.inventory_names(nodes)
    return [(name, node.host, node.user, node.port) for name, node in zip(names, nodes, strict=True)]


def _launcher_nodes(text: str) -> Meaning:
    try:
        return _launcher(hostlist.parse_nodes(text))
    except ValueError:
        return "refused"


def _collection_nodes(text: str) -> Meaning:
    try:
        return _collection(_nodelist.parse_nodes(text))
    except _nodelist.NodeListError:
        return "refused"


def _launcher_hostfile(text: str) -> Meaning:
    try:
        return _launcher(hostlist_file.parse_hostfile(text).nodes)
    except ValueError:
        return "refused"


def _collection_hostfile(text: str) -> Meaning:
    try:
        return _collection(_nodelist.parse_hostfile(text))
    except _nodelist.NodeListError:
        return "refused"


@pytest.mark.parametrize("text", TEXTS)
def test_node_list_when_read_by_both_then_means_the_same(text: str) -> None:
    """--nodes and the inventory plugin give the same nodes in the same order, or both refuse."""
    assert _collection_nodes(text) == _launcher_nodes(text)


@pytest.mark.parametrize("text", HOSTFILES)
def test_hostfile_when_read_by_both_then_means_the_same(text: str) -> None:
    """--hostfile and the inventory plugin give the same nodes in the same order, or both refuse."""
    assert _collection_hostfile(text) == _launcher_hostfile(text)
