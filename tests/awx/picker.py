# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a project AWX offers as playbooks and as inventories, by its rules (awx/main/utils/ansible.py)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAY = re.compile(r"\s*-?\s*(?:hosts|(?:ansible\.builtin\.)?(?:include|import_playbook)):")
_INVENTORY_LINE = re.compile(r"[a-zA-Z0-9_.=\[\]]")
_SKIPPED = {"roles", "tasks", "group_vars", "host_vars"}
_READ_LINES = 10


def playbooks(root: Path, names: Iterable[str]) -> list[str]:
    """Return those of the files below `root` that AWX offers as playbooks."""
    offered = [name for name in names if not _is_skipped(name) and Path(name).suffix in {".yml", ".yaml"}]
    return sorted(name for name in offered if _is_playbook((root / name).read_text(errors="ignore")))


def inventories(root: Path, names: Iterable[str]) -> list[str]:
    """Return those of the files below `root` that AWX offers as inventories."""
    return sorted(name for name in names if not _is_skipped(name) and _is_inventory(root / name))


def _is_skipped(name: str) -> bool:
    folders = Path(name).parts[:-1]
    return bool(_SKIPPED & set(folders)) or any(folder.startswith(".") for folder in folders)


def _is_playbook(text: str) -> bool:
    return text.startswith("$ANSIBLE_VAULT;") or any(_PLAY.match(line) for line in text.splitlines())


def _is_inventory(path: Path) -> bool:
    if path.name in {"inventory", "hosts"} or path.suffix == ".ini" or os.access(path, os.X_OK):
        return True
    lines = path.read_text(errors="ignore").splitlines()[:_READ_LINES]
    return not path.suffix and all(_INVENTORY_LINE.match(line) for line in lines)
