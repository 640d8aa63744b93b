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

from . import hello, listener, listener_record, locks, probe_port, reach, ways
from .paths import from_home
from .probe_storage import nonce_name
from .probe_tasks import Task, run_all, run_one
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
    facts.update(_gather(args) if args["node_rank"] == 0 else {"peers_seen": None, "port_free": None, "taken_by": None})
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
    """Return {"tried", "failures", "elapsed_s"} of the ways to rank 0; see `_failure`."""
    untried = {"tried": False, "failures": [], "elapsed_s": 0.0}
    there = args["listener"] or {}
    if args["node_rank"] == 0 or not there.get("port") or "rendezvous" in args["skip_checks"]:
        return untried
    began = time.monotonic()
    outcome = run_one(lambda: _reach(args, there), 3 * _TRY_S + _RESOLVE_MARGIN_S)
    failures = [_failure(None, "other", outcome.error)] if outcome.error else outcome.value
    return {"tried": True, "failures": failures, "elapsed_s": round(time.monotonic() - began, 3)}


def _failure(planned: ways.Planned | None, kind: str, error: str | None) -> dict[str, Any]:
    """Return {"kind", "error", "address", "interface", "settings"}.

    `interface` is None for the way that the system's routes take; otherwise `settings` are those that ask for it.
    """
    facts: dict[str, Any] = {"kind": kind, "error": error, "address": None, "interface": None, "settings": []}
    if planned is not None:
        way = planned.way
        facts.update(address=way.address, interface=way.interface, settings=list(planned.settings))
    return facts


def _reach(args: dict[str, Any], there: dict[str, Any]) -> list[dict[str, Any]]:
    """Go all ways and return those that failed; at last rank 0 hears whether to count on this rank.

    First the way of the system's routes, then those through interfaces, at the same time: a way that is blocked takes
    as long as all of them may.
    """
    try:
        plain, *others = ways.planned(args, there)
    except (OSError, UnicodeError) as error:
        return [_failure(None, "resolve", str(error))]
    failures = [_failure(one, "itself", None) for one in others if one.leads_home]
    others = [one for one in others if not one.leads_home]
    last = not others and not failures
    failed = _gone(args, plain, "done" if last else "more")
    if last and not failed:
        return []
    if failed:
        # An interface that leads to rank 0 all the same would be tried in vain: the rendezvous takes this way.
        failures = [*failed, *failures]
    else:
        tasks = {
            str(number): Task(lambda one=one: _gone(args, one, "more"), _TRY_S + _RESOLVE_MARGIN_S)  # type: ignore[misc]
            for number, one in enumerate(others)
        }
        for one, outcome in zip(others, run_all(tasks).values()):
            failures += [_failure(one, "other", outcome.error)] if outcome.error else outcome.value
    # If rank 0 cannot even be told not to wait, it will notice.
    word, wait_s = ("failed", 0.5) if failures else ("done", _TRY_S)
    reach.go(plain.way, hello.hello(args["nonce"], args["node_rank"], word), args["nonce"], args["node_rank"], wait_s)
    return failures


def _gone(args: dict[str, Any], planned: ways.Planned, word: str) -> list[dict[str, Any]]:
    """Go one way, with this word for rank 0; return the failure, if it is one."""
    nonce, rank = args["nonce"], args["node_rank"]
    wait_s = min(_TRY_S, args["rendezvous_wait_s"])
    result = reach.go(planned.way, hello.hello(nonce, rank, word), nonce, rank, wait_s)
    return [_failure(planned, result.kind, result.error)] if result.kind else []


def _gather(args: dict[str, Any]) -> dict[str, Any]:
    """Wait for the ranks and end the listener.

    Return {"peers_seen", "port_free"}, None where there was no listener, and "taken_by": None as it should be, else the
    run that took the port away from this preflight, '' where nobody says so.
    """
    there = args["listener"] or {}
    if not there.get("port"):
        if there:
            # It only keeps the nonce, and nobody can tell it that all have read it.
            listener.dismiss({"pid": there["pid"], "start_ticks": there["start_ticks"]})
        return {"peers_seen": None, "port_free": None, "taken_by": None}
    identity, port = {"pid": there["pid"], "start_ticks": there["start_ticks"]}, there["port"]
    limit_s = args["rendezvous_wait_s"] + _RESOLVE_MARGIN_S
    told = run_one(lambda: _wait_for_peers(args, port, identity), limit_s).value or {"done": None, "heard": True}
    listener_record.end_process(identity)
    is_free = _free_again(port)
    cut_off = not (told["heard"] and is_free)
    return {"peers_seen": told["done"], "port_free": is_free, "taken_by": _taken_by(args, port) if cut_off else None}


def _taken_by(args: dict[str, Any], port: int) -> str:
    """Return the other run that has the port now, for its preflight or for its job; '' if none says so."""
    other = listener_record.recorded(listener_record.path_of(args["state_dir"], port), port) or {}
    held = [lock["run_id"] for lock in locks.held(args["state_dir"]) if lock["alive"] and lock["key"] == f"port-{port}"]
    return str(next(iter([other["run_id"]] if other else held), ""))


def _wait_for_peers(args: dict[str, Any], port: int, identity: dict[str, int]) -> dict[str, Any]:
    """Ask the listener until every other rank came or gave up; then let it finish.

    Return {"done", "heard"}: the ranks that came, None if it was never heard, and whether it lived to the end. A
    listener that does not answer at once, on a busy host, is asked again as long as it lives.
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
    lives = is_running(identity)
    last = _ask(args, port, "finish")
    return {"done": last["done"] if last else done, "heard": lives}


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
