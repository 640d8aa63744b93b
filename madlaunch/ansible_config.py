# SPDX-License-Identifier: GPL-3.0-or-later
"""The one setting of Ansible that a launch needs and that only a configuration file can hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "ANSIBLE_CONFIG"
# While ranks run, ansible-playbook looks for results so often; at its own 1 ms that costs 7 % of a core, all day long.
TEXT = "[defaults]\ninternal_poll_interval = 0.04\n"
# Where Ansible looks when no file is named; a play of the launcher has a folder of its own, in which there is none.
_USUAL = ("~/.ansible.cfg", "/etc/ansible/ansible.cfg")


def own_config(folder: Path, environ: Mapping[str, str], usual: tuple[str, ...] = _USUAL) -> dict[str, str]:
    """Write a configuration into ``folder`` and return the variable that names it; {} where the user has one."""
    if environ.get(VARIABLE) or any(Path(path).expanduser().exists() for path in usual):
        return {}
    path = folder / "ansible.cfg"
    path.write_text(TEXT, encoding="utf-8")
    return {VARIABLE: str(path)}
