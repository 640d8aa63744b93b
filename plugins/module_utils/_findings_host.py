# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that one host alone answers: madengine, the checkout, the model, the interfaces, space, GPUs.

Private to the collection.
"""

from __future__ import annotations

from typing import Any

from ._findings_common import Finding, Host, Launch, Text, error, listed, option, quoted, size, warning
from .node.interface_names import SETTINGS, matching

_MAJORS = ("1", "2")
_MIB = 1 << 20
_STATE_MIN_BYTES = 100 * _MIB
_SHARED_MIN_BYTES = 1024 * _MIB
_GPU_LOG = "see: sudo dmesg | grep -i -e amdgpu -e nvidia"


def _each_host(launch: Launch) -> list[Finding]:
    judges = (_madengine, _version, _mad_dir, _model, _interfaces, _free_space, _gpus)
    return [found for host in launch.told for judge in judges for found in judge(launch, host, host.facts or {})]


def _madengine(_launch: Launch, host: Host, facts: dict[str, Any]) -> list[Finding]:
    told = facts["madengine"]
    if host.failed("madengine") or told["path"]:
        return []
    elsewhere = told.get("elsewhere") or []
    fix = "Install madengine on the host, or say where it is: " + option("madengine_path", "/path/to/madengine")
    if elsewhere:
        fix = f"It is there under another path: {option('madengine_path', elsewhere[0])}"
    seen = told["error"] or "not found"
    text = Text(f"madengine was not found: {seen}.", seen, "an executable madengine", fix)
    return [error("madengine", host.name, text)]


def _version(launch: Launch, host: Host, facts: dict[str, Any]) -> list[Finding]:
    told, wanted = facts["madengine"], str(launch.plan["madengine_version"])
    if host.failed("madengine") or not told["path"]:
        return []
    if told["major"] is None:
        seen = told["error"] or "no version"
        fix = f"Run it by hand on the host and mend what it says: {quoted(told['path'])} --version"
        text = Text(f"The version of madengine is unknown: {seen}.", seen, "a version", fix)
        return [error("version", host.name, text)]
    major, seen = str(told["major"]), f"madengine {told['version']}"
    if major not in _MAJORS:
        fix = f"Install madengine 1 or 2, or point to one: {option('madengine_path', '/path/to/madengine')}"
        message = f"madengine {told['version']} is neither version 1 nor version 2, whose command line is known."
        return [error("version", host.name, Text(message, seen, "madengine 1 or 2", fix))]
    if wanted in _MAJORS and major != wanted:
        fix = f"Install madengine {wanted} there, or ask for this one: {option('madengine_version', major)}"
        message = f"madengine {told['version']} is installed, but version {wanted} was asked for."
        return [error("version", host.name, Text(message, seen, f"madengine {wanted}", fix))]
    return []


def _mad_dir(_launch: Launch, host: Host, facts: dict[str, Any]) -> list[Finding]:
    told = facts["mad_dir"]
    if host.failed("mad_dir"):
        return []
    path = told["path"]
    elsewhere = f"or say where it is: {option('mad_dir', '/path/to/MAD')}"
    if not told["exists"]:
        fix = f"git clone https://github.com/ROCm/MAD.git {quoted(path)} on the host, {elsewhere}"
        return [error("mad_dir", host.name, Text(f"There is no folder {path}.", "missing", "a checkout of MAD", fix))]
    if not told["readable"]:
        fix = f"Let {facts['user']} read it: chmod -R a+rX {quoted(path)}, {elsewhere}"
        text = Text(f"{facts['user']} may not read {path}.", "unreadable", "readable", fix)
        return [error("mad_dir", host.name, text)]
    missing = [name for name, key in (("models.json", "models_json"), ("scripts/", "scripts")) if not told[key]]
    if not missing:
        return []
    text = Text(
        f"{path} is no checkout of MAD: it has no {' and no '.join(missing)}.",
        f"no {' and no '.join(missing)}",
        "models.json and scripts/",
        f"Clone MAD there (git clone https://github.com/ROCm/MAD.git), {elsewhere}",
    )
    return [error("mad_dir", host.name, text)]


def _model(launch: Launch, host: Host, facts: dict[str, Any]) -> list[Finding]:
    told, model = facts["discover"], launch.plan["model"]
    if host.failed("discover") or not told["ran"] or told["found"]:
        return []
    if facts["madengine"]["major"] is None and not host.failed("madengine"):
        return []  # it is broken, which check version says
    seen = (told["tail"].splitlines() or ["nothing"])[-1]
    command = f"cd {quoted(facts['mad_dir']['path'])} && {quoted(facts['madengine']['path'])} discover"
    if "no models found" in told["tail"].lower():
        message = f"madengine knows no model {model!r} there."
        text = Text(message, seen, "a tag that madengine discovers", f"See them: {command}")
    else:
        reason = f"ended with {told['rc']}" if told["rc"] is not None else "did not end"
        message = f"madengine discover {reason}, so the model {model!r} could not be looked up: {seen}"
        text = Text(message, seen, "exit code 0", f"Run it by hand: {command} --tags {quoted(model)}")
    return [error("model", host.name, text)]


def _interfaces(launch: Launch, host: Host, facts: dict[str, Any]) -> list[Finding]:
    """Judge both settings; a fault that both have is reported once, under the first."""
    if host.failed("interfaces"):
        return []
    found: dict[str, Finding] = {}
    for setting in SETTINGS:
        wanted = str(host.settings.get(setting) or "")
        text = _interface(launch, setting, wanted, facts) if wanted else None
        if text is not None:
            found.setdefault(wanted, error("interface", host.name, text))
    return list(found.values())


def _interface(launch: Launch, setting: str, wanted: str, facts: dict[str, Any]) -> Text | None:
    all_interfaces = facts["interfaces"]
    if wanted == "auto":
        return _auto(launch, setting, facts)
    chosen = matching(setting, wanted, list(all_interfaces))
    usable = _usable(all_interfaces)
    better = f"Choose one that is up, for this host in the inventory or for all: {_option(setting, usable)}"
    expected = f"an interface {wanted} that is up and has an address"
    if not chosen:
        seen = f"interfaces: {listed(usable) or 'none that is up'}"
        return Text(f"There is no interface {wanted} (setting {setting}).", seen, expected, better)
    if any(name in usable or name == "lo" for name in chosen):
        return None
    name = chosen[0]
    told = all_interfaces[name]
    if not told["up"]:
        return Text(f"Interface {name} is down.", "down", expected, f"sudo ip link set {quoted(name)} up; or: {better}")
    if not told["carrier"]:
        fix = f"Check cable and switch port. {better}"
        return Text(f"Interface {name} is up but has no link.", "no carrier", expected, fix)
    seen = f"addresses: {listed(told['addresses']) or 'none'}"
    fix = f"sudo ip addr add ADDRESS/BITS dev {quoted(name)}; or: {better}"
    return Text(f"Interface {name} has no usable address.", seen, expected, fix)


def _auto(launch: Launch, setting: str, facts: dict[str, Any]) -> Text | None:
    told = facts["master"]
    if facts["master_interface"] or told["resolve_error"]:
        return None
    if told["owns_addr"] and facts is not launch.first.facts:
        return None  # it takes the master address for its own, which check master_addr says
    master_addr = launch.plan["master_addr"]
    seen = f"no interface for the way to {master_addr}"
    message = f"{setting} is auto, but the interface of the route to {master_addr} cannot be told."
    fix = f"Name it: {_option(setting, _usable(facts['interfaces']))}; or give master_addr as an address."
    return Text(message, seen, "a route to the master", fix)


def _option(setting: str, usable: list[str]) -> str:
    return option(setting, usable[0] if usable else "NAME")


def _usable(interfaces: dict[str, Any]) -> list[str]:
    """Return the interfaces on which one host can reach another."""
    return [
        name
        for name, told in interfaces.items()
        if name != "lo" and told["up"] and told["carrier"] and any(not a.startswith("fe80:") for a in told["addresses"])
    ]


def _free_space(launch: Launch, host: Host, facts: dict[str, Any]) -> list[Finding]:
    """Judge both places; what all hosts share is judged once, on rank 0."""
    found = []
    state, shared = facts["state"], facts["shared"]
    proven = host is not launch.first and host.confirmed is not None and host.confirmed["nonce"]["matches"]
    if not host.failed("state"):
        checkout_bytes = facts["mad_dir"]["size_bytes"] or 0
        found += [error("free_space", host.name, text) for text in _state_texts(state, checkout_bytes, facts["user"])]
    if shared["exists"] and not proven and shared["free_bytes"] < _SHARED_MIN_BYTES:
        free, path = size(shared["free_bytes"]), shared["path"]
        fix = f"See what takes it: df -h {quoted(path)}"
        text = Text(f"{path} has only {free} left.", free, size(_SHARED_MIN_BYTES), fix)
        found.append(warning("free_space", host.name, text))
    return found


def _state_texts(state: dict[str, Any], checkout_bytes: int, user: str) -> list[Text]:
    path, needed = state["path"], _STATE_MIN_BYTES + 2 * checkout_bytes
    elsewhere = f"or use another folder: {option('node_state_dir', '/path/with/space')}"
    if not state["writable"]:
        fix = f"sudo install -d -o {quoted(user)} {quoted(path)}, {elsewhere}"
        message = f"The run directory cannot be made in {path}: {state['error']}."
        return [Text(message, state["error"], "a writable folder", fix)]
    texts = []
    if state["free_bytes"] < needed:
        free = size(state["free_bytes"])
        message = f"{path} has only {free} left; a run needs {size(needed)} (twice the checkout and 100 MiB)."
        texts.append(Text(message, free, size(needed), f"Remove old runs in {quoted(path + '/runs')}, {elsewhere}"))
    if state["free_inodes"] == 0:
        message = f"The file system of {path} has no inode left, so no file can be made."
        fix = f"See: df -i; and where they went: du --inodes -x -d 3 / | sort -n; {elsewhere}"
        texts.append(Text(message, "0 inodes", "free inodes", fix))
    return texts


def _gpus(_launch: Launch, host: Host, facts: dict[str, Any]) -> list[Finding]:
    count, wanted = facts["gpus"]["count"] or 0, int(host.settings.get("nproc_per_node") or 0)
    if host.failed("gpus"):
        return []
    source = facts["gpus"]["source"] or "no GPU driver and no GPU tool"
    if count == 0 and wanted == 0:
        fix = f"Load the GPU driver ({_GPU_LOG}), or say how many processes: {option('nproc_per_node', 8)}"
        text = Text("No GPU was found, so the number of processes is unknown.", source, "GPUs", fix)
        return [error("gpus", host.name, text)]
    if count == 0:
        message = f"No GPU was found; {wanted} processes will be started all the same."
        fix = "Load the GPU driver, unless the training is meant to run on CPUs."
        return [warning("gpus", host.name, Text(message, source, f"{wanted} GPUs", fix))]
    if count < wanted:
        message = f"There are {count} GPUs, but {wanted} processes were asked for."
        fix = f"Give at most {count}: {option('nproc_per_node', count)}; or find the missing GPUs ({_GPU_LOG})"
        return [error("gpus", host.name, Text(message, f"{count} GPUs ({source})", f"{wanted} GPUs", fix))]
    return []


JUDGES = (_each_host,)
