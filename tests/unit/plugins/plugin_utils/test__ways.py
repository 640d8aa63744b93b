# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of the ways to the hosts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible import errors
from ansible_collections.madlaunch.multinode.plugins.module_utils._connection import Way
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _ways
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._ways import login_variable, ways_of


class _Omitting(dict[str, Any]):
    """Variables of a host as ansible-core 2.19 gives them: to look at one that is `omit` raises an error."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict
        if name == "ansible_user":
            raise errors.AnsibleValueOmittedError
        return super().get(name, default)


@pytest.mark.parametrize(
    "variables",
    [_Omitting(), {"ansible_user": "__omit_place_holder__0123abcd"}, {"ansible_user": None}, {}],
    ids=["2.19", "2.17", "nothing", "not-there"],
)
def test_login_variable_when_a_host_leaves_it_out_then_is_none(variables: dict[str, Any]) -> None:
    """`ansible_user: "{{ omit }}"` for a host of a group that has one."""
    assert login_variable(variables, "ansible_user") is None


def test_ways_when_asked_then_are_those_of_the_hosts_and_else_that_of_the_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the play, with names of no plugin."""
    # Ansible's loader needs a running playbook.
    monkeypatch.setattr(_ways, "_is_there", lambda name: name != "nope")
    hostvars = {
        "a": {},
        "b": {"ansible_connection": "winrm", "ansible_shell_type": "fish"},
        "c": {"ansible_connection": "nope"},
        "d": {"ansible_connection": "local"},
    }
    task_vars = {"ansible_play_hosts_all": list("abcd"), "hostvars": hostvars}
    assert ways_of(SimpleNamespace(connection="ssh"), task_vars) == [
        Way("a", "ssh", is_there=True, shell_type=""),
        Way("b", "winrm", is_there=True, shell_type="fish"),
        Way("c", "nope", is_there=False, shell_type=""),
        Way("d", "local", is_there=True, shell_type=""),
    ]
