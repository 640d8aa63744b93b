# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `master_addr`, `master_port` and `rendezvous`: rank 0 can be the master, and every rank reaches it.

Private to the collection.
"""

from __future__ import annotations

from typing import Any

from ._findings_common import Finding, Host, Launch, Text, error, listed, option, quoted

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
    if _machine(host) == _machine(launch.first):
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
    first, port = launch.first, launch.plan["master_port"]
    found = []
    master = (first.facts or {}).get("master") or {}
    if master.get("port_free") is False:
        found.append(error("master_port", first.name, _taken(port, master)))
    if (first.confirmed or {}).get("port_free") is False:
        text = Text(
            f"Port {port} was not free again after the preflight.",
            "taken",
            "a free port",
            f"See who holds it: ss -ltnp 'sport = :{port}'; or use another one: {option('master_port', _other(port))}",
        )
        found.append(error("master_port", first.name, text))
    return found


def _taken(port: int, master: dict[str, Any]) -> Text:
    other = f"use another port: {option('master_port', _other(port))}"
    holder = master.get("holder")
    if not holder:
        reason = master.get("port_error") or "unknown"
        fix = f"See who holds it: sudo ss -tanp 'sport = :{port}'; or {other}"
        if port < _FIRST_FREE:
            fix = f"Ports below {_FIRST_FREE} need root; {other}"
        return Text(f"Port {port} cannot be taken: {reason}.", reason, "a free port", fix)
    if holder.get("preflight_ends_in_s") is not None:
        message = f"Another launch of yours (run {holder['run_id']}) is being checked right now, and has port {port}."
        fix = f"Wait for it (if it was given up, at most {holder['preflight_ends_in_s']:.0f} s); or {other}"
        return Text(message, f"the preflight of run {holder['run_id']}", "a free port", fix)
    if holder["run_id"]:
        message = f"Port {port} is held by the earlier run {holder['run_id']} of yours (process {holder['pid']})."
        fix = f"python launcher.py stop {quoted(holder['run_id'])}; or {other}"
        return Text(message, f"run {holder['run_id']}", "a free port", fix)
    if holder["pid"] is None:
        message = f"Port {port} is held by a process of user {holder['user']}, which only that user or root can see."
        fix = f"See which: sudo ss -tanp 'sport = :{port}'; or {other}"
        return Text(message, f"user {holder['user']}", "a free port", fix)
    who = f"process {holder['pid']} of {holder['user']}: {holder['command']}"
    fix = f"End it if it is not needed: kill {holder['pid']}; or {other}"
    return Text(f"Port {port} is held by {who}.", who, "a free port", fix)


def _rendezvous(launch: Launch) -> list[Finding]:
    found = []
    explained = set() if "master_addr" in launch.plan["skip_checks"] else _mistaken(launch)
    for host in launch.hosts:
        told = (host.confirmed or {}).get("rendezvous") or {}
        if told.get("tried") and not told["ok"] and host.name not in explained:
            found.append(error("rendezvous", host.name, _unreached(launch, host, told)))
    return found


def _mistaken(launch: Launch) -> set[str]:
    """Return the hosts that take the master address for another one, which is why they do not reach rank 0."""
    return {host.name for host in launch.told if not host.failed("master") and _resolved(launch, host)}


def _unreached(launch: Launch, host: Host, told: dict[str, Any]) -> Text:
    port, first = launch.plan["master_port"], launch.first
    target = f"{first.name} ({told.get('address') or launch.plan['master_addr']}, port {port})"
    through = f" through interface {told['interface']}" if told.get("interface") else ""
    reason, fix = _reason(told, port, first)
    if told.get("interface"):
        fix += f"; or choose another interface: {option('nccl_interface', _other_interface(host, told['interface']))}"
    message = f"{target} is not reached{through}: {reason}."
    return Text(message, told.get("error") or reason, f"the listener of {first.name}", fix)


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


def _other_interface(host: Host, name: str) -> str:
    interfaces = (host.facts or {}).get("interfaces") or {}
    usable = [other for other, told in interfaces.items() if told["up"] and told["addresses"]]
    return next((other for other in usable if other not in {"lo", name}), "NAME")


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


def _machine(host: Host) -> tuple[str, str]:
    facts = host.facts or {}
    return (facts["boot_id"], facts["network"])


def _other(port: int) -> int:
    if port < _FIRST_FREE:
        return 4000
    return port + 1 if port < 65535 else port - 1  # noqa: PLR2004 - the highest port


JUDGES = (_master_addr, _master_port, _rendezvous)
