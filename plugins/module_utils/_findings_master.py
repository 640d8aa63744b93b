# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `master_addr`, `master_port` and `rendezvous`: rank 0 can be the master, and every rank reaches it.

Private to the collection.
"""

from __future__ import annotations

from typing import Any

from . import _findings_commands
from ._findings_common import Finding, Host, Launch, Text, error, listed, option

# Below this port only root may listen.
_FIRST_FREE = 1024


def _master_addr(launch: Launch) -> list[Finding]:
    hosts = [host for host in launch.told if not host.failed("master")]
    return [found for host in hosts for found in _resolved(launch, host)] + _owner(launch)


def _resolved(launch: Launch, host: Host) -> list[Finding]:
    """The name must be known on every host, and must not mean the host itself on another one than rank 0."""
    told, master_addr = (host.facts or {})["master"], launch.plan["master_addr"]
    if told["resolve_error"]:
        # The name by which rank 0 is not reached either: that is reported already, and is the cause.
        if launch.first.facts is None and master_addr in {launch.first.name, launch.first.settings.get("address")}:
            return []
        message = f"The master address {master_addr} cannot be resolved there: {told['resolve_error']}."
        fix = f"Give an address instead of a name: {option('master_addr', _address_of_first(launch))}"
        return [error("master_addr", host.name, Text(message, told["resolve_error"], "an address", fix))]
    first = launch.first.facts
    if first is None or not first["master"]["owns_addr"] or not told["owns_addr"]:
        return []
    if host.machine == launch.first.machine:
        return []
    seen = listed(told["resolved"])
    message = f"The master address {master_addr} is this host itself there ({seen}), but rank 0 is {launch.first.name}."
    fix = f"Give an address that is the same everywhere: {option('master_addr', _address_of_first(launch))}"
    return [error("master_addr", host.name, Text(message, seen, f"an address of {launch.first.name}", fix))]


def _owner(launch: Launch) -> list[Finding]:
    first, master_addr = launch.first, launch.plan["master_addr"]
    facts = first.facts
    if facts is None or first.failed("master") or facts["master"]["resolve_error"] or facts["master"]["owns_addr"]:
        return []
    seen = f"addresses of {first.name}: {listed(_addresses(facts)) or 'none'}"
    owners = [host.name for host in launch.told if host.facts and host.facts["master"]["owns_addr"]]
    if owners:
        message = f"Rank 0 does not own the master address {master_addr}; {owners[0]} does."
        fix = f"Make {owners[0]} rank 0 (name it first, or node_rank: 0), or use an address of this host: "
    else:
        message = f"Rank 0 does not own the master address {master_addr}, nor does any host of the launch."
        fix = "Use an address of rank 0 that the other hosts reach: "
    fix += option("master_addr", _address_of_first(launch))
    return [error("master_addr", first.name, Text(message, seen, f"{master_addr} on an interface of rank 0", fix))]


def _master_port(launch: Launch) -> list[Finding]:
    first, found = launch.first, []
    master = (first.facts or {}).get("master") or {}
    if master.get("port_free") is False:
        found.append(error("master_port", first.name, _taken(launch, master)))
    if (first.confirmed or {}).get("port_free") is False or launch.is_cut_off:
        found.append(error("master_port", first.name, _lost(launch, first.confirmed or {})))
    return found


def _lost(launch: Launch, confirmed: dict[str, Any]) -> Text:
    port = launch.plan["master_port"]
    other = f"use another port: {option('master_port', _other(port))}"
    run_id = confirmed.get("taken_by")
    if run_id:
        message = f"Another launch of yours, {run_id}, came and took port {port} during this preflight."
        return Text(message, f"run {run_id}", "a free port", f"Run one of the two at a time; or {other}")
    fix = f"See who holds it: ss -ltnp 'sport = :{port}'; or {other}"
    if confirmed.get("port_free"):
        message = f"The listener on port {port} was ended during this preflight, likely by another launch of yours."
        see = f"python launcher.py list {_findings_commands.nodes([launch.first])}"
        fix = f"See which runs there are: {see}; run one of them at a time, or {other}"
        return Text(message, "ended", "a listener until all hosts have come", fix)
    return Text(f"Port {port} was not free again after the preflight.", "taken", "a free port", fix)


def _taken(launch: Launch, master: dict[str, Any]) -> Text:
    port = launch.plan["master_port"]
    other = f"use another port: {option('master_port', _other(port))}"
    holder = master.get("holder")
    if not holder:
        reason = master.get("port_error") or "unknown"
        fix = f"See who holds it: sudo ss -tanp 'sport = :{port}'; or {other}"
        if port < _FIRST_FREE:
            fix = f"Ports below {_FIRST_FREE} need root; {other}"
        return Text(f"Port {port} cannot be taken: {reason}.", reason, "a free port", fix)
    if holder["run_id"]:
        message = f"Port {port} is held by the earlier run {holder['run_id']} of yours (process {holder['pid']})."
        fix = f"{_findings_commands.stop(launch, holder['run_id'])}; or {other}"
        return Text(message, f"run {holder['run_id']}", "a free port", fix)
    if holder["pid"] is None:
        message = f"Port {port} is held by a process of user {holder['user']}, which only that user or root can see."
        fix = f"See which: sudo ss -tanp 'sport = :{port}'; or {other}"
        return Text(message, f"user {holder['user']}", "a free port", fix)
    who = f"process {holder['pid']} of {holder['user']}: {holder['command']}"
    fix = f"End it if it is not needed: kill {holder['pid']}; or {other}"
    return Text(f"Port {port} is held by {who}.", who, "a free port", fix)


def _rendezvous(launch: Launch) -> list[Finding]:
    if launch.is_cut_off:
        return []
    found = []
    explained = set() if "master_addr" in launch.plan["skip_checks"] else _mistaken(launch)
    for host in launch.hosts:
        failures = ((host.confirmed or {}).get("rendezvous") or {}).get("failures") or []
        if host.name not in explained:
            found += [error("rendezvous", host.name, _unreached(launch, host, told)) for told in failures]
    return found


def _mistaken(launch: Launch) -> set[str]:
    """Return the hosts that take the master address for another one, which is why they do not reach rank 0."""
    return {host.name for host in launch.told if not host.failed("master") and _resolved(launch, host)}


def _unreached(launch: Launch, host: Host, told: dict[str, Any]) -> Text:
    port, first = launch.plan["master_port"], launch.first
    target, through = f"{first.name} ({told['address'] or launch.plan['master_addr']}, port {port})", ""
    if told["kind"] == "itself":
        return _leading_home(host, first, told)
    reason, fix = _reason(told, port, first)
    if told["interface"]:
        through = f" through interface {told['interface']} ({' and '.join(told['settings'])})"
        fix += f"; or choose another interface: {_other_interface(host, told)}"
    message = f"{target} is not reached{through}: {reason}."
    return Text(message, told.get("error") or reason, f"the listener of {first.name}", fix)


def _leading_home(host: Host, first: Host, told: dict[str, Any]) -> Text:
    """The interface of the training has, on this host and on rank 0, an address that means the host itself."""
    interface, address = told["interface"], told["address"]
    settings = " and ".join(told["settings"])
    message = f"Interface {interface} ({settings}) does not lead to {first.name}: {address} is this host itself, too."
    fix = f"Choose an interface of the network that the hosts share: {_other_interface(host, told)}"
    return Text(message, f"{address} on both hosts", f"an interface that leads to {first.name}", fix)


def _reason(told: dict[str, Any], port: int, first: Host) -> tuple[str, str]:
    """Return why a rank does not reach rank 0, and what mends it."""
    kind, address = told.get("kind"), told.get("address") or "the address"
    firewall = f"Open the port on {first.name}: sudo ufw allow {port}/tcp, or sudo firewall-cmd --add-port={port}/tcp"
    other_host = f"The address means another host there: getent hosts {address}; ip neighbor show {address}"
    reasons = {
        "refused": ("the connection is refused", f"A firewall rejects it, or another host has {address}. {firewall}"),
        "timeout": ("no answer, as with a firewall that drops packets", firewall),
        "no_route": ("there is no route", f"See the routes on the host: ip route get {address}"),
        "no_address": ("the interface has no address of this kind", "Give it one, or use another master address"),
        "no_interface": ("there is no such interface", "See the interfaces: ip -brief address"),
        "forbidden": ("a local firewall forbids it", "See its rules on the host: sudo nft list ruleset"),
        "reset": ("the connection is cut", f"See what answers on {first.name}: sudo ss -ltnp 'sport = :{port}'"),
        "stranger": (str(told.get("error")), other_host),
        "resolve": (f"its name is not resolved ({told.get('error')})", "Give an address instead of a name"),
    }
    return reasons.get(str(kind), (str(told.get("error")), f"Try by hand on the host: nc -vz {address} {port}"))


def _other_interface(host: Host, told: dict[str, Any]) -> str:
    """Return how another interface is given, best the one of the route to rank 0, for each setting that needs one."""
    facts = host.facts or {}
    interfaces = facts.get("interfaces") or {}
    usable = [other for other, state in interfaces.items() if state["up"] and state["addresses"]]
    usable.sort(key=lambda other: other != facts.get("master_interface"))
    name = next((other for other in usable if other not in {"lo", told["interface"]}), "NAME")
    return " and ".join(option(setting, name) for setting in told["settings"])


def _addresses(facts: dict[str, Any]) -> list[str]:
    """Return the addresses by which another host may reach this one, IPv4 first."""
    found = [address for name, told in facts["interfaces"].items() if name != "lo" for address in told["addresses"]]
    return sorted((address for address in found if not address.startswith("fe80:")), key=lambda address: ":" in address)


def _address_of_first(launch: Launch) -> str:
    """Return a good master address: the one by which rank 0 is reached for ssh if it has it, else its first.

    Where none is known but the one that was complained of, it is the word ADDRESS.
    """
    addresses = _addresses(launch.first.facts) if launch.first.facts else []
    ssh = str(launch.first.settings.get("address") or "")
    best = ssh if ssh in addresses or not addresses else addresses[0]
    return best if best not in {"", launch.plan["master_addr"]} else "ADDRESS"


def _other(port: int) -> int:
    if port < _FIRST_FREE:
        return 4000
    return port + 1 if port < 65535 else port - 1  # noqa: PLR2004 - the highest port


JUDGES = (_master_addr, _master_port, _rendezvous)
