# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""First exchange of the preflight with a host: the facts, without judgment.

Every probe runs in a process of its own with a time limit, so a dead file server, a program that hangs or a bug in one
probe costs that one fact. Nothing is changed, except that rank 0 writes the nonce into the shared path and starts the
listener on the master port, both of which go away again (see `confirm` and `listener`).
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from typing import TYPE_CHECKING, Any

from . import listener, listener_record, locks, probe_port, probe_storage
from .host import hostname, machine
from .interface_names import SETTINGS, matching
from .paths import from_home, runs_dir
from .probe_gpus import gpus
from .probe_leftovers import leftovers
from .probe_madengine import discover, madengine
from .probe_network import interfaces, master
from .probe_procs import user_name
from .probe_tasks import Outcome, Task, run_all, run_one

if TYPE_CHECKING:
    import socket

_SHORT_S = 6.0
# An automounter may have to find and mount the server first.
_SHARED_S = 10.0
# madengine itself may take 20 s to start on a busy host; the GPU tools are asked three at most.
_LONG_S = 32.0
_RECORD_WAIT_S = 0.5
_RECORD_POLL_S = 0.02


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of this host; `failed` names the probes that gave none, with the reason."""
    start_s = time.time()
    outcomes = run_all(_tasks(args))
    facts = {**_identity(), **{name: outcome.value for name, outcome in outcomes.items()}}
    _complete(facts, outcomes, args)
    if args["node_rank"] == 0:
        facts["master"].update(_open_port(args, facts))
    facts["clock"] = {"start_s": start_s, "end_s": time.time()}
    return facts


def _identity() -> dict[str, Any]:
    return {
        "schema": 1,
        "hostname": hostname(),
        "python": platform.python_version(),
        "user": user_name(os.getuid()),
        "uid": os.getuid(),
        "home": from_home("~"),
        **machine(),
    }


def _tasks(args: dict[str, Any]) -> dict[str, Task]:
    """Return the probes by the name of their fact, without those that were skipped or make no sense."""
    skipped = set(args["skip_checks"])
    program, model = args["madengine_path"], args["model"]
    checkout, state_dir, shared_path = from_home(args["mad_dir"]), _state_dir(args), args["shared_data_path"]
    tasks = {
        "interfaces": Task(interfaces, _SHORT_S),
        "master": Task(lambda: master(args["master_addr"]), _SHORT_S),
        "state": Task(lambda: probe_storage.state(state_dir), _SHORT_S),
        "mad_dir": Task(lambda: probe_storage.mad_dir(checkout), _SHORT_S),
        "madengine": Task(lambda: madengine(program, checkout), _LONG_S),
        "gpus": Task(gpus, _LONG_S),
        "locks": Task(lambda: locks.held(args["state_dir"]), _SHORT_S),
    }
    if "model" not in skipped:
        tasks["discover"] = Task(lambda: discover(program, checkout, model), _LONG_S)
    if "leftovers" not in skipped:
        tasks["leftovers"] = Task(lambda: leftovers(args["state_dir"], args["run_id"]), _SHORT_S)
    if shared_path and not {"shared_path", "shared_same"} <= skipped:
        tasks["shared"] = Task(lambda: _shared(args), _SHARED_S)
    return tasks


def _shared(args: dict[str, Any]) -> dict[str, object]:
    path = from_home(args["shared_data_path"])
    facts = probe_storage.shared(path)
    if args["node_rank"] == 0 and args["nnodes"] > 1 and facts["is_dir"]:
        facts.update(probe_storage.write_nonce(path, args["run_id"], args["nonce"]))
    return facts


def _complete(facts: dict[str, Any], outcomes: dict[str, Outcome], args: dict[str, Any]) -> None:
    """Give every fact its form, also where the probe failed or was not run."""
    facts["failed"] = {name: outcome.error for name, outcome in sorted(outcomes.items()) if outcome.error}
    unknown = {
        "interfaces": {},
        "master": {
            "owns_addr": False,
            "resolved": [],
            "resolve_error": facts["failed"].get("master"),
            "interface": None,
        },
        "madengine": {"path": None, "version": None, "major": None, "error": None, "elsewhere": []},
        "discover": {"ran": False, "rc": None, "found": False, "tail": ""},
        "mad_dir": _no_checkout(from_home(args["mad_dir"])),
        "shared": probe_storage.no_shared(args["shared_data_path"]),
        "state": {"path": _state_dir(args), "writable": False, "free_bytes": 0, "free_inodes": 0, "error": None},
        "gpus": {"count": None, "source": ""},
        "leftovers": [],
        "locks": [],
    }
    for name, value in unknown.items():
        if facts.get(name) is None:
            facts[name] = value
            if isinstance(value, dict) and "error" in value:
                value["error"] = facts["failed"].get(name)
    facts["master_interface"] = facts["master"].pop("interface")
    facts["master"].update(port_free=None, holder=None, listener=None)


def _no_checkout(path: str) -> dict[str, object]:
    no = dict.fromkeys(("exists", "models_json", "scripts", "readable"), False)
    return {"path": path, **no, "size_bytes": None, "error": None}


def _open_port(args: dict[str, Any], facts: dict[str, Any]) -> dict[str, object]:
    """Take the master port for the moment of the preflight; return "port_free", "holder" and "listener"."""
    port = args["master_port"]
    if any(lock["alive"] and lock["key"] == f"port-{port}" for lock in facts["locks"]):
        # That run's rank 0 is about to listen there itself: not even for a moment may it find the port taken.
        holder = _holder(port)
        return {"port_free": holder is None, "holder": holder, "listener": _keep(None, args, facts)}
    try:
        server = _bind(port, args)
    except OSError as error:
        taken = {"port_free": False, "port_error": error.strerror, "holder": _holder(port)}
        return {**taken, "listener": _keep(None, args, facts)}
    if args["nnodes"] == 1 or not facts["master"]["owns_addr"] or "rendezvous" in args["skip_checks"]:
        server.close()
        return {"port_free": True, "listener": _keep(None, args, facts)}
    return {"port_free": True, "listener": _keep(server, args, facts)}


def _holder(port: int) -> Any:  # noqa: ANN401 - JSON types
    return run_one(lambda: probe_port.holder(port), _SHORT_S).value


def _bind(port: int, args: dict[str, Any]) -> socket.socket:
    try:
        return probe_port.bind(port)
    except OSError:
        if not _end_listener(port, args):
            raise
    return probe_port.bind(port)


def _end_listener(port: int, args: dict[str, Any]) -> bool:
    """End a listener of this login; one that has just begun names itself a moment later."""
    deadline_s = time.monotonic() + _RECORD_WAIT_S
    while (left := listener_record.recorded(_record(args), port)) is None and time.monotonic() < deadline_s:
        time.sleep(_RECORD_POLL_S)
    return left is not None and listener_record.end_process(left)


def _keep(server: socket.socket | None, args: dict[str, Any], facts: dict[str, Any]) -> dict[str, object] | None:
    """Start the process that listens and keeps the nonce; None if there is nothing to listen on and nothing to keep."""
    nonce_path = facts["shared"]["nonce_path"]
    if server is None and nonce_path is None:
        return None
    address, port = server.getsockname()[:2] if server is not None else (None, None)
    record = _record(args) if server is not None else ""
    with contextlib.suppress(OSError):
        os.makedirs(_state_dir(args), mode=0o700, exist_ok=True)
    duty = listener.Duty(args["run_id"], record, args["nonce"], nonce_path, args["listener_lease_s"])
    identity = listener.start(server, duty)
    return {**identity, "address": address, "port": port, "targets": _targets(args, facts)}


def _targets(args: dict[str, Any], facts: dict[str, Any]) -> dict[str, list[str]]:
    """Return the addresses of rank 0 on the interfaces that its training will use, by setting."""
    targets = {}
    for setting in SETTINGS:
        value = (facts["master_interface"] or "") if args[setting] == "auto" else args[setting]
        names = matching(setting, value, list(facts["interfaces"]))
        addresses = [address for name in names for address in facts["interfaces"][name]["addresses"]]
        targets[setting] = [address for address in addresses if not address.startswith("fe80:")]
    return targets


def _record(args: dict[str, Any]) -> str:
    return listener_record.path_of(args["state_dir"], args["master_port"])


def _state_dir(args: dict[str, Any]) -> str:
    return os.path.dirname(runs_dir(args["state_dir"]))
