# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run's record keeps of its settings, so that its nodes are found and logged in to again (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from madlaunch.inputs import local_path
from madlaunch.settings_table import ENV_FILE, HOSTFILE, INVENTORY, NODES, SSH_KEY, SSH_PASSWORD, SSH_PASSWORD_FILE
from madlaunch.settings_verbs import REACH

if TYPE_CHECKING:
    from pathlib import Path

    from madlaunch.hostlist import Node
    from madlaunch.job_nodes import NodeChoice
    from madlaunch.settings_model import Settings

_FILES = (SSH_KEY, SSH_PASSWORD_FILE, ENV_FILE)
_KEPT_ELSEWHERE = (NODES, HOSTFILE, INVENTORY, SSH_PASSWORD)


def given_texts(settings: Settings, choice: NodeChoice, cwd: Path) -> dict[str, tuple[str, ...]]:
    """Return the texts by setting name: files as absolute paths, nodes as they were found, and no password."""
    kept = [row for row in (*REACH, ENV_FILE) if row not in _KEPT_ELSEWHERE and settings.is_given(row)]
    found = {row.name: settings.texts(row) for row in kept}
    for row in _FILES:
        if row.name in found:
            found[row.name] = tuple(str(local_path(text, cwd)) for text in found[row.name] if text)
    if choice.inventory_sources:
        return {**found, INVENTORY.name: choice.inventory_sources}
    return {**found, NODES.name: (",".join(_entry(node) for node in choice.nodes),)}


def _entry(node: Node) -> str:
    """Return a node as the list of nodes has it."""
    host = f"[{node.host}]" if ":" in node.host else node.host
    user = f"{node.user}@" if node.user else ""
    return f"{user}{host}" if node.port is None else f"{user}{host}:{node.port}"
