# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that can carry a launch, and those that cannot."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._connection import Way, check, hint_for
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError

GOOD = Way("a", "ssh", is_there=True, shell_type="")


@pytest.mark.parametrize("connection", ["smart", "local", "ansible.builtin.ssh", "community.docker.docker"])
@pytest.mark.parametrize("shell_type", ["", "sh", "fish", "csh"])
def test_connection_when_ansible_has_it_then_nothing_is_said(connection: str, shell_type: str) -> None:
    """Whatever it is: what it cannot do is seen at the host."""
    check([GOOD, Way("b", connection, is_there=True, shell_type=shell_type)])


@pytest.mark.parametrize(
    ("way", "option", "message"),
    [
        (
            Way("w", "winrm", is_there=True, shell_type=""),
            "ansible_connection",
            "w has ansible_connection 'winrm', as hosts of Windows have",
        ),
        (
            Way("w", "a.b.psrp", is_there=True, shell_type=""),
            "ansible_connection",
            "w has ansible_connection 'a.b.psrp', as hosts of",
        ),
        (
            Way("w", "ssh", is_there=True, shell_type="cmd"),
            "ansible_shell_type",
            "w has ansible_shell_type 'cmd', as hosts of Windows have",
        ),
        (
            Way("w", "nope", is_there=False, shell_type=""),
            "ansible_connection",
            "'nope', and Ansible has no such connection plugin.",
        ),
    ],
    ids=["winrm", "psrp", "cmd", "unknown"],
)
def test_connection_when_it_cannot_carry_a_launch_then_is_refused(way: Way, option: str, message: str) -> None:
    """By the name of the host; the error says what works."""
    with pytest.raises(PlanError, match="w has ansible_") as caught:
        check([GOOD, way])
    assert (caught.value.option, message in caught.value.message) == (option, True)
    assert "ssh, local, and those that enter a container (docker, podman, kubectl) work" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        ("winrm or requests is not installed: No module named 'winrm'", "Install what it needs on the control node"),
        ("paramiko is not installed: No module named 'paramiko'", "Install what it needs on the control node"),
        ("docker command not found in PATH", "Install what it needs on the control node"),
        ("Incorrect sudo password", "See that Ansible itself can work there"),
    ],
)
def test_hint_when_a_connection_fails_then_tells_what_is_missing_from_what_is_wrong(said: str, begins: str) -> None:
    """As the plugins of Ansible say it."""
    assert hint_for(said).startswith(begins)
