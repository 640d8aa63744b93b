# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSH: the servers' configuration and the keys of both sides."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class ServerPaths:
    """Where one server finds its files, as the server sees them."""

    host_key: str
    authorized_keys: str
    pid_file: str


@dataclass(frozen=True)
class Access:
    """How a client reaches the nodes.

    Attributes:
        user: Login on every node.
        key: Private key of that login.
        known_hosts: The cluster's own file, so that the user's is never touched.
        password: Password of that login; empty where passwords do not work (loopback nodes).
    """

    user: str
    key: Path
    known_hosts: Path
    password: str

    def ssh_args(self) -> str:
        """What `--ssh-args` of the launcher, or `ansible_ssh_common_args`, must be."""
        return f"-o UserKnownHostsFile={self.known_hosts} -o GlobalKnownHostsFile=/dev/null"

    def ssh_command(self, address: str, port: int) -> list[str]:
        """A plain `ssh` to a node that asks nothing and reads no configuration of the user."""
        options = [*self.ssh_args().split(), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        return ["ssh", "-F", "none", *options, "-i", str(self.key), "-p", str(port), f"{self.user}@{address}"]


def server_program() -> str:
    """Path of `sshd` (it must be absolute: the server starts itself again for each connection).

    Raises:
        ClusterError: There is no OpenSSH server on this machine.
    """
    program = shutil.which("sshd", path=_SBIN)
    if program is None:
        message = f"no OpenSSH server: sshd is not in {_SBIN}; install it with: apt-get install openssh-server"
        raise ClusterError(message)
    return program


def make_key(path: Path) -> str:
    """Make an ed25519 key pair without passphrase, in place of an old one; return the public line."""
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


def known_hosts_line(address: str, port: int, public_key: str) -> str:
    """A line of `known_hosts`, see sshd(8)."""
    name = address if port == 22 else f"[{address}]:{port}"
    return f"{name} {' '.join(public_key.split()[:2])}\n"


def server_config(
    paths: ServerPaths,
    listen: tuple[str, int],
    env: Mapping[str, str],
    extra: tuple[str, ...] = (),
) -> str:
    """Text of `sshd_config`; of a keyword given twice the first counts, and ``extra`` comes first.

    `SetEnv` stands once, with all variables: later ones would be ignored (sshd_config(5)).
    """
    address, port = listen
    return "\n".join(
        [
            *extra,
            f"ListenAddress {address}:{port}",
            f"HostKey {paths.host_key}",
            f"PidFile {paths.pid_file}",
            f"AuthorizedKeysFile {paths.authorized_keys}",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "PasswordAuthentication yes",
            "KbdInteractiveAuthentication no",
            "UseDNS no",
            "PrintMotd no",
            "PrintLastLog no",
            "LogLevel VERBOSE",
            "Subsystem sftp internal-sftp",
            f"SetEnv {' '.join(_set_env_word(name, value) for name, value in env.items())}",
            "",
        ],
    )


def _set_env_word(name: str, value: str) -> str:
    r"""One NAME="VALUE"; within double quotes OpenSSH reads \" and \\ (its argv_split)."""
    if "\n" in value:
        message = f"SetEnv cannot carry a line break: {name}={value!r}"
        raise ClusterError(message)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}={escaped}"'
