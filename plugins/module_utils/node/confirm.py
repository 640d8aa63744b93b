# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Second exchange of the preflight with a host: what only two hosts together can show.

A rank reads the nonce that rank 0 wrote into the shared path, and then reaches rank 0 on the master port. Rank 0 waits
for all of them, ends the listener, and makes sure that the port is free again before anything is started.
"""

from __future__ import annotations

import os
import time
from typing import Any

from . import hello, listener, probe_port, reach
from .interface_names import matching_nccl
from .paths import from_home
from .probe_network import interface_of, interfaces, resolve
from .probe_storage import nonce_name
from .probe_tasks import run_one
from .processes import is_running

_NONCE_S = 6.0
_NONCE_TRIES = 4
_NONCE_PAUSE_S = 0.5
_POLL_S = 0.1
_RESOLVE_MARGIN_S = 10.0
_PORT_FREE_S = 3.0
# A rank tries for so long, and rank 0 waits no longer than a little more after the last one came: all start together,
# so when nobody has come for a while, nobody will.
_TRY_S = 8.0
_QUIET_S = 10.0


def main(args: dict[str, Any]) -> dict[str, Any]:
    """Return what this rank could confirm; see `_nonce`, `_rendezvous` and, on rank 0, `_gather`."""
    start_s = time.time()
    facts: dict[str, Any] = {"schema": 1, "nonce": _nonce(args)}
    facts["rendezvous"] = _rendezvous(args)
    facts.update(_gather(args) if args["node_rank"] == 0 else {"peers_seen": None, "port_free": None})
    facts["clock"] = {"start_s": start_s, "end_s": time.time()}
    return facts


def _nonce(args: dict[str, Any]) -> dict[str, Any]:
    """Return {"seen", "matches", "error"} of the nonce file in this host's own shared path."""
    facts = {"seen": False, "matches": False, "error": None}
    if not args["nonce_written"] or not args["shared_data_path"]:
        return facts
    path = os.path.join(from_home(args["shared_data_path"]), nonce_name(args["run_id"], args["nonce"]))
    outcome = run_one(lambda: _read(path), _NONCE_S)
    if outcome.error:
        return {**facts, "error": outcome.error}
    text, error = outcome.value
    return {"seen": text is not None, "matches": text == args["nonce"], "error": error}


def _read(path: str) -> tuple[str | None, str | None]:
    """Return (text, error); a network file system may show a new file a moment later."""
    for _attempt in range(_NONCE_TRIES):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read(hello.MAX_BYTES), None
        except FileNotFoundError:
            time.sleep(_NONCE_PAUSE_S)
        except OSError as error:
            return None, error.strerror
    return None, None


def _rendezvous(args: dict[str, Any]) -> dict[str, Any]:
    """Return {"tried", "ok", "kind", "error", "address", "interface", "elapsed_s"} of the way to rank 0.

    `interface` is None for the way that the system's routes take, which the rendezvous will take too.
    """
    unknown = dict.fromkeys(("error", "address", "interface"))
    untried = {"tried": False, "ok": False, "kind": "", **unknown, "elapsed_s": 0.0}
    there = args["listener"] or {}
    if args["node_rank"] == 0 or not there.get("port") or "rendezvous" in args["skip_checks"]:
        return untried
    began = time.monotonic()
    outcome = run_one(lambda: _reach(args, there), 2 * _TRY_S + _RESOLVE_MARGIN_S)
    facts = outcome.value or {"ok": False, "kind": "other", "error": outcome.error}
    return {**untried, "tried": True, **facts, "elapsed_s": round(time.monotonic() - began, 3)}


def _reach(args: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    """Go the ways one after the other; the last one says `done`, and after a failure nothing more is expected of us."""
    try:
        ways = _ways(args, there)
    except (OSError, UnicodeError) as error:
        return {"ok": False, "kind": "resolve", "error": str(error)}
    nonce, rank, facts = args["nonce"], args["node_rank"], {}
    for way in ways:
        line = hello.hello(nonce, rank, "done" if way is ways[-1] else "more")
        result = reach.go(way, line, nonce, rank, min(_TRY_S, args["rendezvous_wait_s"]))
        facts = {"ok": not result.kind, **result._asdict(), "address": way.address, "interface": way.interface}
        if result.kind:
            _give_up(ways[0], nonce, rank)
            break
    return facts


def _give_up(way: reach.Way, nonce: str, rank: int) -> None:
    """Tell rank 0, if it can be told at all, not to wait for this rank."""
    reach.go(way, hello.hello(nonce, rank, "failed"), nonce, rank, 0.5)


def _ways(args: dict[str, Any], there: dict[str, Any]) -> list[reach.Way]:
    """Return the way to the master address, and the one from the training's interface to that of rank 0.

    The two are often the same; they differ where the master address is in a management network. An address of this very
    machine is not reached through any interface (several ranks on one machine, in tests).
    """
    port = there["port"]
    plain = reach.Way(_preferred(resolve(args["master_addr"])), port, None, ())
    found = interfaces()
    name = next(iter(matching_nccl(args["interface"] or "", list(found))), None)
    sources = tuple(address for address in found[name]["addresses"] if not address.startswith("fe80:")) if name else ()  # type: ignore[attr-defined]
    target = _same_family(there.get("targets") or [plain.address], sources)
    # An interface that is down has a finding of its own.
    if name is None or not found[name]["up"] or target is None or interface_of(target, found) is not None:
        return [plain]
    return [plain, reach.Way(target, port, name, sources)]


def _preferred(addresses: list[str]) -> str:
    """Return the address that is tried: IPv4 first, as in the stores of PyTorch and GLOO."""
    return next((address for address in addresses if ":" not in address), addresses[0])


def _same_family(targets: list[str], sources: tuple[str, ...]) -> str | None:
    kinds = {":" in source for source in sources}
    return next((target for target in sorted(targets, key=lambda one: ":" in one) if (":" in target) in kinds), None)


def _gather(args: dict[str, Any]) -> dict[str, Any]:
    """Wait for the ranks, end the listener; return {"peers_seen", "port_free"}, None where there was no listener."""
    there = args["listener"] or {}
    if not there.get("port"):
        if there:
            # It only keeps the nonce, and nobody can tell it that all have read it.
            listener.dismiss({"pid": there["pid"], "start_ticks": there["start_ticks"]})
        return {"peers_seen": None, "port_free": None}
    identity = {"pid": there["pid"], "start_ticks": there["start_ticks"]}
    limit_s = args["rendezvous_wait_s"] + _RESOLVE_MARGIN_S
    seen = run_one(lambda: _wait_for_peers(args, there["port"], identity), limit_s).value
    listener.end_process(identity)
    return {"peers_seen": seen, "port_free": _free_again(there["port"])}


def _wait_for_peers(args: dict[str, Any], port: int, identity: dict[str, int]) -> list[int] | None:
    """Ask the listener until every other rank came or gave up; then let it finish. None if it was never heard.

    A listener that does not answer at once, on a busy host, is asked again as long as it lives.
    """
    now_s = last_came_s = time.monotonic()
    deadline_s = now_s + args["rendezvous_wait_s"]
    done: list[int] | None = None
    # Hosts that could not even be probed will not come.
    came, peers = 0, args.get("peers", args["nnodes"] - 1)
    while now_s < min(deadline_s, last_came_s + _QUIET_S) and came < peers and is_running(identity):
        told = _ask(args, port, "status")
        now_s = time.monotonic()
        if told is not None:
            done = told["done"]
            now_came = len({*done, *told["failed"]})
            came, last_came_s = now_came, now_s if now_came > came else last_came_s
        time.sleep(_POLL_S)
    last = _ask(args, port, "finish")
    return last["done"] if last else done


def _ask(args: dict[str, Any], port: int, word: str) -> dict[str, list[int]] | None:
    try:
        return reach.ask("127.0.0.1", port, hello.hello(args["nonce"], 0, word), args["nonce"], 0)
    except (OSError, hello.WrongAnswerError):
        return None


def _free_again(port: int) -> bool:
    deadline = time.monotonic() + _PORT_FREE_S
    while not probe_port.can_bind(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
