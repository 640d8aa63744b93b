# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that compare the hosts with each other: whether they are different ones, their madengine, GPUs and clocks.

Private to the collection.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from ._findings_common import Finding, Host, Launch, Text, error, listed, option, skip, warning

# Logs cannot be put in order beyond this; certificates, signed requests and Kerberos begin to fail far beyond it.
_CLOCK_WARNING_S = 5.0
_CLOCK_ERROR_S = 60.0


class Offset(NamedTuple):
    """Between which two values the clock of a host is ahead of the control node's, in seconds."""

    low_s: float
    high_s: float

    def apart_s(self, other: Offset) -> float:
        """Return by how much the two clocks differ at least."""
        return max(0.0, self.low_s - other.high_s, other.low_s - self.high_s)


def _same_host(launch: Launch) -> list[Finding]:
    """Each rank has a machine of its own, however its host is named; nodes on 127.0.0.0/8 are meant to share one."""
    found = []
    before: dict[tuple[str, str], Host] = {}
    for host in launch.told:
        machine = host.machine
        if machine is None:
            continue
        other = before.setdefault(machine, host)
        if other is not host and not (_is_loopback(host) and _is_loopback(other)):
            message = f"{host.name} is the same machine as {other.name}: two ranks would share its GPUs and its ports."
            seen = f"one boot and one network stack at {other.address} and {host.address}"
            fix = f"Name each host once, {other.name} or {host.name}; if this is meant: {skip('same_host')}"
            found.append(error("same_host", host.name, Text(message, seen, "a machine for each rank", fix)))
    return found


def _is_loopback(host: Host) -> bool:
    return host.address.startswith("127.")


def _versions(launch: Launch) -> list[Finding]:
    """All hosts run the same major version, which decides the command line, and had better run the same version."""
    hosts = [host for host in launch.told if (host.facts or {})["madengine"]["major"] is not None]
    majors = {host.name: (host.facts or {})["madengine"]["major"] for host in hosts}
    if str(launch.plan["madengine_version"]) != "auto" or len(set(majors.values())) < 2:  # noqa: PLR2004 - two differ
        return _minor_versions(hosts)
    usual = _usual(list(majors.values()))
    found = []
    for host in hosts:
        if majors[host.name] != usual:
            version = (host.facts or {})["madengine"]["version"]
            message = f"madengine {version} is installed, but the other hosts have version {usual}."
            fix = f"Install madengine {usual} there, or point to it: {option('madengine_path', '/path/to/madengine')}"
            expected = f"madengine {usual} as on {_having(majors, usual)}"
            text = Text(message, f"madengine {version}", expected, fix)
            found.append(error("version", host.name, text))
    return found


def _minor_versions(hosts: list[Host]) -> list[Finding]:
    versions = {host.name: (host.facts or {})["madengine"]["version"] for host in hosts}
    if len({version.split(".")[0] for version in versions.values()}) > 1:
        return []
    usual = _usual(list(versions.values()))
    found = []
    for name, version in versions.items():
        if version != usual:
            message = f"madengine {version} is installed, but the other hosts have {usual}."
            expected = f"{usual} as on {_having(versions, usual)}"
            text = Text(message, version, expected, f"Install madengine {usual} there.")
            found.append(warning("version", name, text))
    return found


def _gpus(launch: Launch) -> list[Finding]:
    """Without a given number, each host starts as many processes as it has GPUs; torchrun needs the same everywhere."""
    if any(int(host.settings.get("nproc_per_node") or 0) for host in launch.hosts):
        return []
    told = {host.name: (host.facts or {})["gpus"]["count"] for host in launch.told}
    counts = {name: count for name, count in told.items() if count}
    usual = _usual(list(counts.values()))
    found = []
    for name, count in counts.items():
        if count != usual:
            message = f"There are {count} GPUs, but {usual} on the other hosts."
            fix = f"Find the missing ones, or give a number for all: {option('nproc_per_node', min(count, usual))}"
            text = Text(message, f"{count} GPUs", f"{usual} GPUs as on {_having(counts, usual)}", fix)
            found.append(error("gpus", name, text))
    return found


def _clocks(launch: Launch) -> list[Finding]:
    """The reference is the clock with which most others agree, of several the one of the lowest rank."""
    offsets = {host.name: offset for host in launch.told for offset in offset_bounds(host)}
    if len(offsets) < 2:  # noqa: PLR2004 - two can differ
        return []
    agreeing = {
        name: sum(offset.apart_s(other) <= _CLOCK_WARNING_S for other in offsets.values())
        for name, offset in offsets.items()
    }
    reference = max(offsets, key=lambda name: agreeing[name])
    found = []
    for name, offset in offsets.items():
        apart_s = offset.apart_s(offsets[reference])
        if apart_s > _CLOCK_WARNING_S:
            make = error if apart_s > _CLOCK_ERROR_S else warning
            message = f"Its clock differs from that of {reference} by {apart_s:.0f} s: logs cannot be put in order."
            fix = "Let it follow a time server: sudo timedatectl set-ntp true, then: timedatectl timesync-status"
            text = Text(message, f"{apart_s:.0f} s apart", f"at most {_CLOCK_WARNING_S:.0f} s", fix)
            found.append(make("clock", name, text))
    return found


def offset_bounds(host: Host) -> list[Offset]:
    """Return the one offset that all exchanges with a host agree on; [] if none was timed.

    A time on the node lies between the sending and the receiving on the control node, so each exchange gives bounds.
    """
    exchanges = [facts for facts in (host.facts, host.confirmed) if facts and facts.get("controller_clock")]
    bounds = [_bounds(facts) for facts in exchanges]
    if not bounds:
        return []
    low_s, high_s = max(bound.low_s for bound in bounds), min(bound.high_s for bound in bounds)
    # A clock that was set between two exchanges leaves no offset for both: the later one counts.
    return [Offset(low_s, high_s) if low_s <= high_s else bounds[-1]]


def _bounds(facts: dict[str, Any]) -> Offset:
    node, controller = facts["clock"], facts["controller_clock"]
    return Offset(node["end_s"] - controller["after_s"], node["start_s"] - controller["before_s"])


def _usual(values: list[Any]) -> Any:  # noqa: ANN401 - whatever the values are
    """Return the most frequent value, of several the first; None of none."""
    return Counter(values).most_common(1)[0][0] if values else None


def _having(values: dict[str, Any], value: Any) -> str:  # noqa: ANN401 - whatever the values are
    return listed([name for name, own in values.items() if own == value])


JUDGES = (_same_host, _versions, _gpus, _clocks)
