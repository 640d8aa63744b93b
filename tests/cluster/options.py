# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test may ask of a node and of the whole cluster, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "demo"
LOGIN = "mluser"
SHARED_PATH = "/nfs/data"
# As Debian gives it to a login that is not root: nothing from sbin, so a program there is not found on a node.
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class Shared(StrEnum):
    """What a node has at ``/nfs/data``."""

    SHARED = "shared"  # the file system that all nodes share
    READONLY = "readonly"  # the same, mounted read-only
    SEPARATE = "separate"  # a mount of its own, which no other node sees
    PLAIN = "plain"  # an ordinary directory: the mount was forgotten
    MISSING = "missing"  # nothing there


@dataclass(frozen=True)
class NodeOptions:
    """One node, as it is when it boots.

    Attributes:
        gpus: How many devices the node's ``rocm-smi`` reports; 0 for a node without GPUs (and without the tool).
        madengine: Which major version the stand-in speaks, ``1`` or ``2``; empty for a node without madengine.
        shared: What lies at ``/nfs/data``.
        interface: Name of the network interface in the cluster's network.
        second_interface: Name of an interface in the second network (198.19.0.0/16); empty for none.
        state_kib: Size of a file system mounted at the login's state directory, to fill it; 0 for none.
        clock_skew_s: Seconds by which ``python3`` on this node sees the wall clock ahead (negative: behind).
        python: The ``python3`` of this node, an interpreter below one of ``ClusterOptions.visible``; None for Debian's.
        env: More variables of every SSH session.
        sshd: More lines of ``sshd_config``; the first value of a keyword wins, and these come first.
        hosts_lines: Lines put on top of ``/etc/hosts``.
        mad: Whether the login's home has the ``MAD`` checkout.
    """

    gpus: int = 2
    madengine: str = "2"
    shared: Shared = Shared.SHARED
    interface: str = "ens14np0"
    second_interface: str = ""
    state_kib: int = 0
    clock_skew_s: float = 0.0
    python: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    sshd: tuple[str, ...] = ()
    hosts_lines: tuple[str, ...] = ()
    mad: bool = True


@dataclass(frozen=True)
class ClusterOptions:
    """What is the same for all nodes.

    Attributes:
        user: Login of the launcher: ``mluser`` or ``root``.
        password: Its password (both logins have it); empty for a random one.
        shared_home: Whether all nodes have one ``/home`` and one ``/root``, as clusters with NFS homes.
        visible: Directories of this machine that nodes see at the same path, read-only (an interpreter with torch).
        hostname_pattern: Names of the nodes, with ``{}`` for the number counted from 1.
        known_hosts: Whether ``known_hosts`` starts with the nodes' keys (otherwise it starts empty).
    """

    user: str = LOGIN
    password: str = ""
    shared_home: bool = False
    visible: tuple[Path, ...] = ()
    hostname_pattern: str = "node{:02d}"
    known_hosts: bool = True
