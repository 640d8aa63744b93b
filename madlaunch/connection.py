# SPDX-License-Identifier: GPL-3.0-or-later
"""How ssh is called: settings to Ansible's connection variables (pure).

Ansible's ssh plugin builds ``ssh <ssh_args> -o Port -o IdentityFile -o User -o ConnectTimeout <common args> host``,
and ssh takes the first value of an option. So all of ours go into ``ssh_args``, with the user's words in front.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from madlaunch.hostlist import parse_nodes
from madlaunch.settings_table import HOST_KEY_CHECKING, JUMP_HOST, SSH_ARGS, SSH_PORT, SSH_USER

if TYPE_CHECKING:
    from pathlib import Path

    from madlaunch.hostlist import Node
    from madlaunch.settings_model import Settings

HOST_KEY_OPTIONS = {
    "accept-new": ("StrictHostKeyChecking=accept-new",),
    "strict": ("StrictHostKeyChecking=yes",),
    # Without the two files ssh forgets at once; otherwise it would still refuse passwords to a changed host.
    "off": (
        *("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null"),
        "LogLevel=ERROR",
    ),
}
LIVELINESS_OPTIONS = ("ServerAliveInterval=4", "ServerAliveCountMax=3")
"""A connection on which nothing comes for 12 to 16 s is given up, so that a cut is told within 20 s."""
SHARING_OPTIONS = ("ControlMaster=auto", "ControlPersist=60s")
"""One login per node; the socket is closed when the launch ends."""

_NOT_IN_A_KEY_PATH = re.compile(r"[\"\\%]|\$\{")


@dataclass(frozen=True)
class Connection:
    """How the nodes are reached, apart from secrets."""

    user: str
    port: int | None
    key: str
    """Absolute path of the private key, '' for ssh's own choice."""
    checks_host_keys: bool
    ssh_args: tuple[str, ...]

    def as_variables(self) -> dict[str, Any]:
        """Return inventory variables; they beat a configuration file of Ansible."""
        variables: dict[str, Any] = {
            "ansible_ssh_args": shlex.join(self.ssh_args),
            "ansible_host_key_checking": self.checks_host_keys,
        }
        if self.user:
            variables["ansible_user"] = self.user
        if self.port is not None:
            variables["ansible_port"] = self.port
        if self.key:
            variables["ansible_ssh_private_key_file"] = self.key
        return variables

    def as_environment(self) -> dict[str, str]:
        """Return the same as Ansible's environment variables, which every inventory variable beats."""
        environment = {
            "ANSIBLE_SSH_ARGS": shlex.join(self.ssh_args),
            "ANSIBLE_HOST_KEY_CHECKING": str(self.checks_host_keys),
        }
        if self.user:
            environment["ANSIBLE_REMOTE_USER"] = self.user
        if self.port is not None:
            environment["ANSIBLE_REMOTE_PORT"] = str(self.port)
        if self.key:
            environment["ANSIBLE_PRIVATE_KEY_FILE"] = self.key
        return environment


def build_connection(settings: Settings, key: Path | None, *, may_ask: bool) -> Connection:
    """Return how the nodes are reached.

    Args:
        settings: the settled settings.
        key: the private key file, already found to be usable.
        may_ask: ssh may be asked for a password (one was given, or the inventory may hold one); otherwise it is told
            never to ask, so that a key with a passphrase fails at once and does not wait for a terminal.

    Raises:
        SettingError: a jump host or the path of the key cannot be used.

    """
    hops = _jump_hosts(settings)
    trust = HOST_KEY_OPTIONS[settings[HOST_KEY_CHECKING]]
    own = [*trust, *LIVELINESS_OPTIONS, *SHARING_OPTIONS]
    if key is not None:
        own.append("IdentitiesOnly=yes")
    if not may_ask:
        own.append("BatchMode=yes")
    if hops:
        own.append("ProxyCommand=" + proxy_command(hops, _hop_words(trust, key)))
    return Connection(
        user=settings[SSH_USER],
        port=settings[SSH_PORT],
        key=str(key or ""),
        checks_host_keys=settings[HOST_KEY_CHECKING] != "off",
        ssh_args=(*shlex.split(settings[SSH_ARGS]), *_as_words(own)),
    )


def key_path_problem(path: str) -> str:
    """Return why ssh could not be given this path of a key, '' if it can: ssh expands some signs in it."""
    found = _NOT_IN_A_KEY_PATH.search(path)
    return f"the path {path!r} contains {found[0]!r}, which ssh would not take as it is" if found else ""


def _as_words(options: list[str] | tuple[str, ...]) -> list[str]:
    """Return ``-o NAME=VALUE`` words."""
    return [word for option in options for word in ("-o", option)]


def _hop_words(trust: tuple[str, ...], key: Path | None) -> tuple[str, ...]:
    """Return the ssh options for every jump host: same key, same trust, never a password."""
    own = [*trust, *LIVELINESS_OPTIONS, "BatchMode=yes"]
    if key is not None:
        own += [f'IdentityFile="{key}"', "IdentitiesOnly=yes"]
    # No connection of its own to share. Not as ControlPath=none: where Ansible finds that word in any argument, it
    # shares no connection at all, and each command would be a login through all hops.
    return ("-S", "none", *_as_words(own))


def proxy_command(hops: tuple[Node, ...], options: tuple[str, ...]) -> str:
    """Return the ProxyCommand that leads through ``hops``, the last one next to the nodes.

    ``ssh -J`` is not used, because it gives neither the key nor the host key options to the jump host.
    The command holds the tokens %h and %p of ssh; for a hop behind another hop it is nested, with doubled %.
    """
    *before, last = hops
    words = ["ssh", *options]
    if before:
        nested = proxy_command(tuple(before), options).replace("%", "%%")
        words += ["-o", f"ProxyCommand={nested}"]
    words += ["-p", str(last.port)] if last.port is not None else []
    words += ["-l", last.user] if last.user else []
    return shlex.join([*words, "-W", "[%h]:%p", "--", last.host])


def _jump_hosts(settings: Settings) -> tuple[Node, ...]:
    """Return the jump hosts, the first one nearest to this machine."""
    if not settings[JUMP_HOST]:
        return ()
    try:
        return parse_nodes(settings[JUMP_HOST])
    except ValueError as error:
        reason = str(error)
        raise settings.refuse(JUMP_HOST, reason) from error
