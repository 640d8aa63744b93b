# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory from a list of nodes: the same hosts, order and ranks as the launcher's C(--nodes)."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nodes
short_description: Nodes of a training, from a list with ranges, a host file or a Slurm allocation
version_added: 0.1.0
author:
  - the madlaunch contributors (@madlaunch)
description:
  - Makes one host of every node that a list names, in the order of the list, and gives it its C(node_rank).
  - The name of a host is the node as written. The colons of an IPv6 address become dashes in it, and of nodes that
    differ only in the port, each has its port in the name.
  - The first node has rank 0 and is the rendezvous of the training.
  - The file must be named C(*.nodes.yml), C(*.nodes.yaml), C(*.madlaunch.yml) or C(*.madlaunch.yaml).
  - Exactly one of O(nodes), O(hostfile) and O(slurm) says where the list comes from.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [madlaunch.multinode.nodes]
  nodes:
    description:
      - The nodes, as a list or as a text with commas between them.
      - An entry may have ranges, as V(node[01-16,20]), V(rack[1-2]node[01-04]) or V(node[0-8/2]).
      - An entry may have a login and a port, as V(ubuntu@node1:2222). They go before O(user) and O(port).
      - An IPv6 address goes into brackets, as V([2001:db8::1]).
    type: raw
    env:
      - name: MADLAUNCH_NODES
  hostfile:
    description:
      - A file with one node (or range) on each line, as DeepSpeed and MPI use.
      - Behind the node may stand C(port=2222), and C(slots=8), which is ignored. C(#) begins a comment.
      - A relative path starts at the folder of the inventory file.
    type: str
    env:
      - name: MADLAUNCH_HOSTFILE
  slurm:
    description: Takes the nodes of the Slurm allocation in which Ansible runs, from C(SLURM_JOB_NODELIST).
    type: bool
    default: false
  user:
    description: The login on every node; without it, Ansible's own settings hold.
    type: str
  port:
    description: The SSH port of every node; without it, Ansible's own settings hold.
    type: int
  group:
    description: The group that gets the hosts.
    type: str
    default: nodes
  vars:
    description: Variables for every host, for example RV(ignore:nccl_interface).
    type: dict
    default: {}
  host_vars:
    description:
      - Variables for single hosts. A key is a node, or several with ranges.
      - They go before O(vars). Every node of a key must be in the list.
    type: dict
    default: {}
"""

EXAMPLES = r"""
# cluster.nodes.yml: sixteen nodes, node01 is rank 0; two of them have another network interface
plugin: madlaunch.multinode.nodes
nodes: node[01-16]
user: ubuntu
vars:
  nccl_interface: ens14np0
  gloo_interface: ens14np0
host_vars:
  node[15-16]:
    nccl_interface: ens15np0

# a list, with the login and the port of one node
# plugin: madlaunch.multinode.nodes
# nodes:
#   - node1
#   - admin@node2:2222

# the nodes of the Slurm job in which ansible-playbook runs
# plugin: madlaunch.multinode.nodes
# slurm: true

# a host file beside this file
# plugin: madlaunch.multinode.nodes
# hostfile: hostfile
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.madlaunch.multinode.plugins.module_utils import _nodelist

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader

SUFFIXES = (".nodes.yml", ".nodes.yaml", ".madlaunch.yml", ".madlaunch.yaml")


class InventoryModule(BaseInventoryPlugin):
    """The plugin as Ansible loads it."""

    NAME = "madlaunch.multinode.nodes"

    def verify_file(self, path: str) -> bool:
        """Return whether the file is one of ours, by its name."""
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002 - Ansible's signature
        """Add the hosts of the file to the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            nodes = self._nodes(Path(path).parent)
            host_vars = _expand_keys(self.get_option("host_vars"), {node.host for node in nodes})
        except _nodelist.NodeListError as error:
            raise AnsibleParserError(str(error)) from error
        group = inventory.add_group(self.get_option("group"))
        for node_rank, (host, node) in enumerate(zip(_nodelist.inventory_names(nodes), nodes, strict=True)):
            inventory.add_host(host, group=group)
            for name, value in self._variables(node, node_rank, host_vars.get(node.host, {})).items():
                inventory.set_variable(host, name, value)

    def _nodes(self, folder: Path) -> list[_nodelist.Node]:
        """Return the nodes from the one source that the file names."""
        sources = [name for name in ("nodes", "hostfile", "slurm") if self.get_option(name)]
        if len(sources) != 1:
            named = " and ".join(sources) or "none of them"
            msg = f"The file names {named}. Set exactly one of nodes, hostfile and slurm."
            raise AnsibleParserError(msg)
        if sources == ["nodes"]:
            return _from_option(self.get_option("nodes"))
        if sources == ["hostfile"]:
            return _from_file(folder / Path(self.get_option("hostfile")).expanduser())
        return _from_slurm()

    def _variables(self, node: _nodelist.Node, node_rank: int, own: dict[str, Any]) -> dict[str, Any]:
        """Return the variables of one host; the later entry wins."""
        login = {
            "ansible_host": node.host,
            "ansible_user": node.user or self.get_option("user"),
            "ansible_port": node.port or self.get_option("port"),
        }
        given = {name: value for name, value in login.items() if value is not None}
        return {**self.get_option("vars"), **given, "node_rank": node_rank, **own}


def _from_option(nodes: object) -> list[_nodelist.Node]:
    """Return the nodes of the option, a text or a list of texts."""
    entries = nodes if isinstance(nodes, list) else [nodes]
    texts = [entry for entry in entries if isinstance(entry, str)]
    if len(texts) != len(entries):
        odd = next(entry for entry in entries if not isinstance(entry, str))
        msg = f"nodes has the entry {odd!r}, which is no text. Write node[01-16], or a list of such entries."
        raise AnsibleParserError(msg)
    return _nodelist.parse_nodes(",".join(texts))


def _from_file(path: Path) -> list[_nodelist.Node]:
    """Return the nodes of a host file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The host file cannot be read: {error}. Correct hostfile; a relative path starts beside the inventory."
        raise AnsibleParserError(msg) from error
    return _nodelist.parse_hostfile(text)


def _from_slurm() -> list[_nodelist.Node]:
    """Return the nodes of the Slurm job around us."""
    text = os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_NODELIST", "")
    if not text:
        msg = (
            "slurm is true, but SLURM_JOB_NODELIST is not set. Run inside an allocation (salloc, sbatch), or set nodes."
        )
        raise AnsibleParserError(msg)
    return _nodelist.parse_nodes(text)


def _expand_keys(host_vars: dict[str, Any], hosts: set[str]) -> dict[str, dict[str, Any]]:
    """Return the variables per host; a later key goes before an earlier one that names the same host."""
    expanded: dict[str, dict[str, Any]] = {}
    for key, variables in host_vars.items():
        if not isinstance(variables, dict):
            msg = f"host_vars of {key!r} is {variables!r}. Write name: value pairs below it."
            raise _nodelist.NodeListError(msg)
        for node in _nodelist.parse_nodes(key):
            if node.host not in hosts:
                msg = f"host_vars names {node.host}, which is not among the nodes. Correct {key!r}, or add the node."
                raise _nodelist.NodeListError(msg)
            expanded.setdefault(node.host, {}).update(variables)
    return expanded
