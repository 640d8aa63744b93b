# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key exchange ssh tries first: of what its configuration allows, one that does not cost a tenth of a second.

OpenSSH 9.0 to 9.8 begins with sntrup761x25519, whose keys alone take a client ten times the processor time of the whole
rest of a login (measured with 9.2: 85 ms beside 8 ms; the server pays much the same). For one login nobody notices; a
control node that logs in to hundreds of hosts does little else. From 9.9 on (mlkem768x25519 first) there is nothing to
win. Reasons and what is given up: docs/adr/0007-order-of-key-exchanges.md.
"""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from madlaunch.request import PlayRequest

VARIABLE = "ANSIBLE_SSH_EXTRA_ARGS"
"""Ansible's last words to ssh, which every word of the user and of an inventory beats: the first value counts."""

_SLOW = "sntrup761x25519"
_QUICK_AND_STRONGER = "mlkem768x25519"
_QUICK = ("curve25519-sha256", "curve25519-sha256@libssh.org")
_TIMEOUT_S = 5.0
# Where an inventory alone knows the hosts.
_ANY_HOST = "madlaunch.invalid"


def quick_first(allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the algorithms in the order in which ssh shall try them; () when the order is right as it is.

    Args:
        allowed: what ssh would try, in its order. Nothing is added to it and nothing is taken out.

    """
    if any(name.startswith(_QUICK_AND_STRONGER) for name in allowed) or not any(name in _QUICK for name in allowed):
        return ()
    slow = [name for name in allowed if name.startswith(_SLOW)]
    others = [name for name in allowed if name not in slow]
    last_quick = max(index for index, name in enumerate(others) if name in _QUICK)
    ordered = (*others[: last_quick + 1], *slow, *others[last_quick + 1 :])
    return () if ordered == tuple(allowed) else ordered


def environment_of(request: PlayRequest) -> dict[str, str]:
    """Return the environment variable that sets the order for all hosts of a play; {} when ssh's own is right."""
    group = request.inventory.get("all", {})
    words = request.environment.get("ANSIBLE_SSH_ARGS") or group.get("vars", {}).get("ansible_ssh_args", "")
    names = [variables.get("ansible_host") for variables in group.get("hosts", {}).values()]
    first = str(names[0]) if names else _ANY_HOST
    ordered = quick_first(_allowed(shlex.split(words), first))
    return {VARIABLE: f"-o KexAlgorithms={','.join(ordered)}"} if ordered else {}


def _allowed(words: Sequence[str], host: str) -> tuple[str, ...]:
    """Ask ssh what it would try with `host`, to which it does not connect for that; () when it cannot say."""
    argv = ["ssh", *words, "-G", "--", host]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603 - a list of words
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ()
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        if name == "kexalgorithms":
            return tuple(value.split(","))
    return ()
