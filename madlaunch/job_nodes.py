# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes a launch has: a list, a host file, an Ansible inventory, or the Slurm allocation around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from madlaunch.errors import UsageError
from madlaunch.hostlist import Node, check_unique, parse_nodes, put_master_first
from madlaunch.hostlist_file import HOSTFILE_FORM, Hostfile, parse_hostfile
from madlaunch.inputs import inventory_sources, read_text
from madlaunch.settings_table import HOSTFILE, INVENTORY, LIMIT, MASTER_ADDR, NODES, SSH_PORT
from madlaunch.slurm import allocated_nodes, nodelist_variable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from madlaunch.settings_model import Setting, Settings

WAYS = (NODES, HOSTFILE, INVENTORY)


@dataclass(frozen=True)
class NodeChoice:
    """The nodes in rank order, or the inventories that know them."""

    nodes: tuple[Node, ...] = ()
    inventory_sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose_nodes(settings: Settings, environ: Mapping[str, str], cwd: Path) -> NodeChoice:
    """Return the nodes from the strongest source that names any.

    Raises:
        UsageError: none are named, they are named in two ways, or their list cannot be used.

    """
    way, notes = _choose_way(settings)
    if settings[LIMIT] and way is not INVENTORY:
        reason = "it filters the hosts of an Ansible inventory, and there is none"
        raise settings.refuse(LIMIT, reason, allowed="--limit together with --inventory")
    if way is INVENTORY:
        return NodeChoice(inventory_sources=inventory_sources(settings, cwd), notes=notes)
    if way is HOSTFILE:
        return _in_rank_order(settings, _from_hostfile(settings, cwd, notes), HOSTFILE)
    if way is NODES:
        return _in_rank_order(settings, NodeChoice(_from_list(settings), notes=notes), NODES)
    return _in_rank_order(settings, _from_slurm(environ), None)


def _choose_way(settings: Settings) -> tuple[Setting[Any] | None, tuple[str, ...]]:
    """Return the setting that names the nodes, None if there is none, and notes on those that it overrules."""
    given = sorted(
        (way for way in WAYS if settings.is_given(way)), key=lambda way: settings.source(way).strength, reverse=True
    )
    if not given:
        return None, ()
    chosen = given[0]
    notes = []
    for other in given[1:]:
        if settings.source(other).strength == settings.source(chosen).strength:
            reason = f"the nodes are named twice, here and with {other.flag}"
            raise settings.refuse(chosen, reason, allowed="one of --nodes, --hostfile and --inventory")
        notes.append(f"{other.flag} from {settings.source(other).place} is not used: {chosen.flag} names the nodes")
    return chosen, tuple(notes)


def _from_list(settings: Settings) -> tuple[Node, ...]:
    """Return the nodes of ``--nodes``."""
    try:
        return parse_nodes(settings[NODES])
    except ValueError as error:
        reason = str(error)
        raise settings.refuse(NODES, reason) from error


def _from_hostfile(settings: Settings, cwd: Path, notes: tuple[str, ...]) -> NodeChoice:
    """Return the nodes of ``--hostfile``."""
    text = read_text(settings, HOSTFILE, cwd)
    try:
        hostfile: Hostfile = parse_hostfile(text)
    except ValueError as error:
        reason = f"{settings[HOSTFILE]!r}: {error}"
        raise settings.refuse(HOSTFILE, reason, allowed=HOSTFILE_FORM) from error
    if hostfile.has_slots:
        slots = f"the slots in {settings[HOSTFILE]} are not used: one madengine runs per host (see --nproc-per-node)"
        notes = (*notes, slots)
    return NodeChoice(hostfile.nodes, notes=notes)


def _from_slurm(environ: Mapping[str, str]) -> NodeChoice:
    """Return the nodes of the Slurm allocation.

    Raises:
        UsageError: there is no allocation, so no nodes are named at all.

    """
    variable = nodelist_variable(environ)
    if not variable:
        msg = "no nodes are named"
        allowed = "--nodes a,b or --hostfile FILE or --inventory FILE, or a Slurm allocation around the launcher"
        raise UsageError(msg, allowed=allowed, next_step="add for example --nodes node[01-02]")
    try:
        nodes = allocated_nodes(environ)
    except ValueError as error:
        msg = f"{error} (from environment variable {variable})"
        raise UsageError(msg, allowed="Slurm's list of nodes", next_step="name the nodes with --nodes") from error
    note = f"the {len(nodes)} nodes of the Slurm allocation are used ({variable}={environ[variable]})"
    return NodeChoice(nodes, notes=(note,))


def _in_rank_order(settings: Settings, choice: NodeChoice, way: Setting[Any] | None) -> NodeChoice:
    """Return the choice with the node of ``--master-addr`` in front; refuse a node that is named twice."""
    try:
        check_unique(choice.nodes, settings[SSH_PORT])
    except ValueError as error:
        msg = str(error)
        if way is not None:
            raise settings.refuse(way, msg, allowed="every host once", next_step="remove one of the two") from error
        raise UsageError(msg, next_step="name the nodes with --nodes") from error
    nodes = put_master_first(choice.nodes, settings[MASTER_ADDR])
    notes = choice.notes
    if nodes != choice.nodes:
        notes = (*notes, f"{nodes[0].host} becomes rank 0, because --master-addr names it")
    return NodeChoice(nodes, notes=notes)
