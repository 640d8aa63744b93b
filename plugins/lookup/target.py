# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a play, or an error where Ansible would skip the play and call it a success."""

from __future__ import annotations

DOCUMENTATION = r"""
name: target
short_description: A host pattern that matches at least one host
version_added: 0.1.0
description:
  - Returns the pattern as it is, for C(hosts) of a play, when it matches a host of the inventory within C(--limit).
  - Fails otherwise. Ansible itself skips a play without hosts and ends well, so a misspelt group or a limit that leaves
    nothing over would look like a training that went well.
author:
  - The madlaunch contributors (@madlaunch)
options:
  _terms:
    description: A host pattern.
    required: true
"""

EXAMPLES = r"""
- name: Ask the hosts of the group training, which must not be empty
  hosts: "{{ lookup('madlaunch.multinode.target', 'training') }}"
  gather_facts: false
  tasks:
    - name: Say hello
      ansible.builtin.ping:
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase

# What looks at a playbook without running it, often without an inventory.
_ONLY_LOOKING = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    """Matches a pattern against the inventory as the play that has it for `hosts` will."""

    def run(
        self,
        terms: list[Any],
        variables: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401 - the signature of LookupBase.run
    ) -> list[Any]:
        """Return the patterns; raises `AnsibleLookupError` for the first that no host matches."""
        self.set_options(var_options=variables, direct=kwargs)
        if any(context.CLIARGS.get(name) for name in _ONLY_LOOKING):
            return list(terms)
        limit = str(context.CLIARGS.get("subset") or "")
        for pattern in terms:
            if not self._matches(pattern, limit, (variables or {})["groups"]):
                raise AnsibleLookupError(refusal(pattern, limit))
        return list(terms)

    def _matches(self, pattern: str | list[str], limit: str, groups: dict[str, list[str]]) -> bool:
        # A copy of the inventory: that of the play can be reached in some versions of ansible-core only.
        manager = InventoryManager(self._loader, parse=False)
        for group, hosts in groups.items():
            manager.add_group(group)
            for host in hosts:
                manager.add_host(host, group=group)
        try:
            manager.subset(limit or None)
            return bool(manager.get_hosts(pattern=pattern))
        except AnsibleError:
            return False


def refusal(pattern: str | list[str], limit: str) -> str:
    """Return what is said when no host matches."""
    narrowed = f" within --limit {limit}" if limit else ""
    hint = "Name hosts in the inventory, or correct target and --limit; see: ansible-inventory --graph"
    return f"No host of the inventory matches {pattern!r}{narrowed}, so nothing would be done. {hint}"
