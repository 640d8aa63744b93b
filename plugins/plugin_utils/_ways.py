# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways by which Ansible goes to the hosts of a play, as the inventory and the play have them.

Private to the collection.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ansible import errors
from ansible.plugins.loader import connection_loader
from ansible_collections.madlaunch.multinode.plugins.module_utils._connection import Way

# What older versions of ansible-core have for: ssh, or paramiko where there is no ssh.
_SMART = "smart"
# `omit` in a variable of a host: an error of this class, and before ansible-core 2.19 a text that begins like this.
_OMITTED: Any = getattr(errors, "AnsibleValueOmittedError", ())
_OMITTED_TEXT = "__omit_place_holder__"


def ways_of(task: Any, task_vars: dict[str, Any]) -> list[Way]:  # noqa: ANN401 - Ansible has no types
    """Return the way to each host of the play of a task that runs now, in the order of the play."""
    # That of the play or of --connection, for hosts whose variables name none.
    default = str(task.connection or _SMART)
    ways = []
    for name in task_vars["ansible_play_hosts_all"]:
        variables = task_vars["hostvars"][name]
        connection = str(login_variable(variables, "ansible_connection") or default)
        shell_type = str(login_variable(variables, "ansible_shell_type") or "")
        ways.append(Way(str(name), connection, _is_there(connection), shell_type))
    return ways


def login_variable(variables: Any, name: str) -> Any:  # noqa: ANN401 - Ansible has no types
    """Return a variable of a host that says how to log in, None for none; a host may leave out what its group has."""
    try:
        value = variables.get(name)
    except _OMITTED:
        return None
    return None if str(value).startswith(_OMITTED_TEXT) else value


@cache
def _is_there(connection: str) -> bool:
    if connection == _SMART:
        return True
    try:
        name = connection_loader.aliases.get(connection, connection)
        return bool(connection_loader.find_plugin_with_context(name).resolved)
    except errors.AnsibleError:
        # A version that has it no more says so in this way.
        return False
