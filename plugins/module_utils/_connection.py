# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Ansible's connections to the hosts can carry a launch, and what to do about one that cannot.

Private to the collection. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ._plan import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable

_WINDOWS_CONNECTIONS = ("winrm", "psrp")
_WINDOWS_SHELLS = ("powershell", "cmd")
# How connection plugins say that something of theirs is not on the control node.
_MISSING = re.compile(
    r"is not installed|no module named|not found in path|connection plugin .* was not found", re.IGNORECASE
)
_WORKING = "ssh, local, and those that enter a container (docker, podman, kubectl) work"
_INSTALL = f"Install what it needs on the control node, or take another ansible_connection: {_WORKING}."
_TRY = (
    "See that Ansible itself can work there, with the same inventory and flags: "
    "ansible HOST -m ansible.builtin.raw -a id; a password of sudo is ansible_become_password, "
    "or asked for with --ask-become-pass."
)


class Way(NamedTuple):
    """How Ansible goes to a host: its connection, whether there is a plugin of that name, and its kind of shell."""

    host: str
    connection: str
    is_there: bool
    shell_type: str


def check(ways: Iterable[Way]) -> None:
    """Raise `PlanError` for a host of Windows, and for one with a connection that Ansible does not have.

    The other hosts would wait for it, for Ansible gives it up before its task begins.
    """
    for way in ways:
        if way.connection.rpartition(".")[2] in _WINDOWS_CONNECTIONS:
            raise _windows(way.host, "ansible_connection", way.connection)
        if way.shell_type in _WINDOWS_SHELLS:
            raise _windows(way.host, "ansible_shell_type", way.shell_type)
        if not way.is_there:
            message = (
                f"{way.host} has ansible_connection {way.connection!r}, and Ansible has no such connection plugin."
            )
            hint = f"Correct the name, or install the collection that has it: {_WORKING}."
            raise PlanError("ansible_connection", message, hint)


def _windows(host: str, option: str, value: str) -> PlanError:
    message = f"{host} has {option} {value!r}, as hosts of Windows have; a rank runs on Linux."
    return PlanError(option, message, f"Leave it out: --limit 'all:!{host}'; or correct {option}: {_WORKING}.")


def hint_for(said: str) -> str:
    """Return the next step for what a connection has said when it could not do its work."""
    return _INSTALL if _MISSING.search(said) else _TRY
