# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways from this rank to rank 0: to the master address, and through each interface that the training will use."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import host
from .interface_names import SETTINGS, matching
from .probe_network import interface_of, interfaces, resolve
from .reach import Way

LOOPBACK = "lo"


class Planned(NamedTuple):
    """A way, the settings that ask for it, and whether it leads to nobody but this host itself."""

    way: Way
    settings: tuple[str, ...]
    leads_home: bool


def planned(args: dict[str, Any], there: dict[str, Any]) -> list[Planned]:
    """Return the way that the system's routes take, which the rendezvous will take too, and then those of interfaces.

    Where several interfaces match a setting, it is the first one; an interface that two settings name is there once.
    One that is down or has no address has a finding of its own, and no way. Raises `OSError` and `UnicodeError`.
    """
    port = there["port"]
    plain = Way(_preferred(resolve(args["master_addr"])), port, None, ())
    ways = [Planned(plain, (), leads_home=False)]
    if host.machine() == args["master_machine"]:
        # Ranks on one machine meet through its loopback interface, whatever is set (tests, quick-start.sh).
        return ways
    found = interfaces()
    merged: dict[tuple[Way, bool], list[str]] = {}
    for setting in SETTINGS:
        name = next(iter(matching(setting, args["interfaces"][setting], list(found))), None)
        if name is None or not found[name]["up"]:
            continue
        sources = tuple(address for address in found[name]["addresses"] if not address.startswith("fe80:"))  # type: ignore[attr-defined]
        own = {address for interface in found.values() for address in interface["addresses"]}  # type: ignore[attr-defined]
        target = _target(there["targets"][setting] or [plain.address], sources, own)
        if target is not None:
            leads_home = name == LOOPBACK or interface_of(target, found) is not None
            merged.setdefault((Way(target, port, name, sources), leads_home), []).append(setting)
    return ways + [Planned(way, tuple(settings), leads_home) for (way, leads_home), settings in merged.items()]


def _preferred(addresses: list[str]) -> str:
    """Return the address that is tried: IPv4 first, as in the stores of PyTorch and GLOO."""
    return next((address for address in addresses if ":" not in address), addresses[0])


def _target(targets: list[str], sources: tuple[str, ...], own: set[str]) -> str | None:
    """Return the address of rank 0 to go to: IPv4 before IPv6, and one that this host has too only for want of others.

    None if the interface has no address of a kind that rank 0 has there.
    """
    kinds = {":" in source for source in sources}
    usable = sorted((one for one in targets if (":" in one) in kinds), key=lambda one: (":" in one, one in own))
    return usable[0] if usable else None
