# SPDX-License-Identifier: GPL-3.0-or-later
"""How ssh is called."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from madlaunch.connection import build_connection, key_path_problem
from madlaunch.errors import SettingError
from tests.launcher.settling import settle

if TYPE_CHECKING:
    from madlaunch.settings_model import Settings

ALIVE = "-o ServerAliveInterval=4 -o ServerAliveCountMax=3"
SHARED = "-o ControlMaster=auto -o ControlPersist=60s"


def test_connection_when_nothing_is_given_then_ssh_decides() -> None:
    """Neither login nor port nor key; unknown host keys are learned, nothing is asked."""
    assert build_connection(settle(), None, may_ask=False).as_variables() == {
        "ansible_ssh_args": f"-o StrictHostKeyChecking=accept-new {ALIVE} {SHARED} -o BatchMode=yes",
        "ansible_host_key_checking": True,
    }


def test_connection_when_all_is_given_then_reaches_its_place() -> None:
    """Login, port and key are variables; the user's words come first, because ssh takes the first value."""
    settings = settle(ssh_user="u", ssh_port="2222", ssh_args="-F 'my config' -o ConnectTimeout=30")
    made = build_connection(settings, Path("/home/u/.ssh/my key"), may_ask=True)
    assert made.as_variables() == {
        "ansible_ssh_args": (
            "-F 'my config' -o ConnectTimeout=30 "
            f"-o StrictHostKeyChecking=accept-new {ALIVE} {SHARED} -o IdentitiesOnly=yes"
        ),
        "ansible_host_key_checking": True,
        "ansible_user": "u",
        "ansible_port": 2222,
        "ansible_ssh_private_key_file": "/home/u/.ssh/my key",
    }


def test_connection_when_for_a_foreign_inventory_then_is_ansibles_environment() -> None:
    """The same settings in the form that every inventory variable beats."""
    settings = settle(ssh_user="u", ssh_port="2222", host_key_checking="off")
    made = build_connection(settings, Path("/k"), may_ask=True)
    assert made.as_environment() == {
        "ANSIBLE_SSH_ARGS": (
            "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null "
            f"-o LogLevel=ERROR {ALIVE} {SHARED} -o IdentitiesOnly=yes"
        ),
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_REMOTE_USER": "u",
        "ANSIBLE_REMOTE_PORT": "2222",
        "ANSIBLE_PRIVATE_KEY_FILE": "/k",
    }
    assert build_connection(settle(), None, may_ask=True).as_environment() == {
        "ANSIBLE_SSH_ARGS": f"-o StrictHostKeyChecking=accept-new {ALIVE} {SHARED}",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
    }


@pytest.mark.parametrize(("mode", "value"), [("accept-new", "accept-new"), ("strict", "yes"), ("off", "no")])
def test_host_keys_when_a_mode_is_given_then_ssh_itself_sees_it(mode: str, value: str) -> None:
    """Ssh, asked for its settled configuration, has the mode first in line."""
    settled = _settled_ssh(settle(host_key_checking=mode, ssh_args="-F none"))
    # ssh prints yes as true and no as false.
    assert settled["stricthostkeychecking"] == {"yes": "true", "no": "false"}.get(value, value)


def test_jump_host_when_given_then_ssh_goes_through_it_with_the_same_key_and_never_a_password() -> None:
    """The jump host gets the key and the host key mode, which ``ssh -J`` would not give it."""
    settings = settle(jump_host="u@gate:2222", ssh_args="-F none")
    assert _settled_ssh(settings, Path("/k/my key"))["proxycommand"] == (
        f"ssh -S none -o StrictHostKeyChecking=accept-new {ALIVE} -o BatchMode=yes "
        "-o 'IdentityFile=\"/k/my key\"' -o IdentitiesOnly=yes -p 2222 -l u -W '[%h]:%p' -- gate"
    )


def test_jump_hosts_when_two_are_given_then_the_last_is_next_to_the_nodes() -> None:
    """The command for the second hop holds the one for the first; each expands its own tokens."""
    made = build_connection(settle(jump_host="first,[2001:db8::1]:22"), None, may_ask=True)
    outer = shlex.split(made.ssh_args[-1].removeprefix("ProxyCommand="))
    assert outer[-6:] == ["-p", "22", "-W", "[%h]:%p", "--", "2001:db8::1"]
    inner = shlex.split(outer[-7].removeprefix("ProxyCommand="))
    assert inner[-4:] == ["-W", "[%%h]:%%p", "--", "first"]


def test_jump_host_when_it_is_no_host_then_refused() -> None:
    """Nothing else gets into a command."""
    with pytest.raises(SettingError, match="--jump-host: entry 1: 'a;id' is not a host name"):
        build_connection(settle(jump_host="a;id"), None, may_ask=True)


@pytest.mark.parametrize("sign", ['"', "\\", "%", "${"])
def test_key_path_when_ssh_would_read_a_sign_of_it_then_told(sign: str) -> None:
    """Ssh expands some signs in the path of a key."""
    assert repr(sign) in key_path_problem(f"/k{sign}x")
    assert key_path_problem("/home/u/my 'key' $x;é") == ""


def _settled_ssh(settings: Settings, key: Path | None = None) -> dict[str, str]:
    """Return what ssh makes of our words (``ssh -G`` contacts nobody)."""
    words = build_connection(settings, key, may_ask=True).ssh_args
    run = subprocess.run(["ssh", *words, "-G", "node"], capture_output=True, check=True, text=True, timeout=20)
    return dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line)
