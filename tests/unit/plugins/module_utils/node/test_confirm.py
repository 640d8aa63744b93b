# SPDX-License-Identifier: GPL-3.0-or-later
"""The two exchanges of the preflight as two ranks of one launch have them, on loopback addresses."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import (
    confirm,
    host,
    listener_record,
    locks,
    probe,
    probe_port,
    probe_storage,
    processes,
    reach,
    ways,
)

if TYPE_CHECKING:
    import socket

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

SKIPPED = ["model", "leftovers", "gpus"]


@pytest.fixture(name="args")
def _args(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments of a launch on two ranks, with a shared path and a free port."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    with probe_port.bind(0) as server:
        port = server.getsockname()[1]
    return {
        "run_id": "r1",
        "node_rank": 0,
        "nnodes": 2,
        "model": "m",
        "master_addr": "127.0.0.1",
        "master_port": port,
        "nccl_interface": "auto",
        "gloo_interface": "auto",
        "shared_data_path": "data",
        "madengine_path": "no-madengine",
        "madengine_version": "auto",
        "mad_dir": "MAD",
        "in_place": False,
        "state_dir": "state",
        "nonce": "5ecret",
        "skip_checks": SKIPPED,
        # A busy machine may need some of it; nothing waits this long that has what it waits for.
        "rendezvous_wait_s": 20.0,
        "listener_lease_s": 30.0,
    }


def another_process() -> ProcessPoolExecutor:
    """Return where the other rank is: with a thread, what each of them forks would hold the other one's pipes open."""
    return ProcessPoolExecutor(1, mp_context=get_context("fork"))


def confirming(args: dict[str, Any], node_rank: int, told: dict[str, Any], **values: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the arguments of confirm for a rank; `told` are the facts of rank 0."""
    interface = told["master_interface"]
    interfaces = {"nccl_interface": interface, "gloo_interface": interface}
    own = {"node_rank": node_rank, "interfaces": interfaces, "nonce_path": None, "master_machine": host.machine()}
    shared = {"nonce_written": told["shared"]["nonce_written"], "listener": told["master"]["listener"]}
    return {**args, **own, **shared, **values}


def ended(told: dict[str, Any]) -> bool:
    """Tell whether the listener is gone, after a moment."""
    identity = {key: told["master"]["listener"][key] for key in ("pid", "start_ticks")}
    deadline = time.monotonic() + 3
    while processes.is_running(identity) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not processes.is_running(identity)


def without_times(told: dict[str, Any]) -> dict[str, Any]:
    """Return what was confirmed without what differs from run to run."""
    assert told["clock"]["start_s"] <= told["clock"]["end_s"]
    assert told["rendezvous"].pop("elapsed_s") < 5
    return {key: value for key, value in told.items() if key != "clock"}


UNTRIED = {"tried": False, "failures": []}
SEEN = {"seen": True, "matches": True, "error": None}


def test_confirm_when_all_is_well_then_both_sides_say_so_and_nothing_is_left(
    args: dict[str, Any], tmp_path: Path
) -> None:
    """The peer reads the nonce and reaches the listener; then listener, nonce and record are gone, the port is free."""
    told = probe.main(args)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [Path(told["shared"]["nonce_path"]).name]
    with another_process() as pool:
        first = pool.submit(confirm.main, confirming(args, 0, told))
        peer = without_times(confirm.main(confirming(args, 1, told)))
        rank_0 = without_times(first.result())
    reached = {"tried": True, "failures": []}
    of_rank_0 = {"peers_seen": [1], "port_free": True, "taken_by": None}
    assert peer == {"schema": 1, "nonce": SEEN, "rendezvous": reached, **dict.fromkeys(of_rank_0)}
    assert rank_0 == {"schema": 1, "nonce": SEEN, "rendezvous": UNTRIED, **of_rank_0}
    assert ended(told)
    assert (list((tmp_path / "data").iterdir()), list((tmp_path / "state").iterdir())) == ([], [])


def both(args: dict[str, Any], told: dict[str, Any], **values: Any) -> tuple[dict[str, Any], list[int]]:  # noqa: ANN401
    """Return what rank 1 says of its ways to rank 0, and the ranks that rank 0 saw."""
    with another_process() as pool:
        first = pool.submit(confirm.main, confirming(args, 0, told))
        peer = confirm.main(confirming(args, 1, told, **values))
        return peer["rendezvous"], first.result()["peers_seen"]


def test_confirm_when_interfaces_lead_to_the_host_itself_then_it_says_so_and_rank_0_does_not_wait(
    args: dict[str, Any],
) -> None:
    """Rank 0 is another machine that has 127.0.0.1 on `lo` as well; the way of the system's routes is no proof."""
    args.update(nccl_interface="lo", gloo_interface="lo")
    began = time.monotonic()
    told = probe.main(args)
    reached, seen = both(args, told, master_machine={"boot_id": "other", "network": "net:[1]"})
    settings = ["nccl_interface", "gloo_interface"]
    failure = {"kind": "itself", "error": None, "address": "127.0.0.1", "interface": "lo", "settings": settings}
    assert (reached["failures"], seen) == ([failure], [])
    # Rank 0 waits for 10 s for a rank of which it hears nothing.
    assert time.monotonic() - began < 9


def test_confirm_when_several_interfaces_are_set_then_each_way_is_gone(
    args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that fail are told, and a rank that came by one of them is not one that came."""
    told = probe.main(args)
    port = args["master_port"]

    def way(interface: str | None, *settings: str) -> ways.Planned:
        sources = ("127.0.0.1",) if interface else ()
        return ways.Planned(reach.Way("127.0.0.1", port, interface, sources), settings, leads_home=False)

    mine = [way(None), way("lo", "nccl_interface")]
    monkeypatch.setattr(ways, "planned", lambda _args, _there: [*mine, way("nope0", "gloo_interface")])
    monkeypatch.setattr(reach, "_REFUSED_S", 0.3)
    reached, seen = both(args, told)
    failed = [(one["kind"], one["interface"], one["settings"]) for one in reached["failures"]]
    assert (failed, seen) == ([("no_interface", "nope0", ["gloo_interface"])], [])

    monkeypatch.setattr(ways, "planned", lambda _args, _there: mine)
    reached, seen = both(args, probe.main(args))
    assert (reached["failures"], seen) == ([], [1])


def test_confirm_when_a_rank_never_comes_then_rank_0_goes_on_without_it(args: dict[str, Any], tmp_path: Path) -> None:
    """Rank 0 waits as long as it was told, then ends the listener all the same."""
    told = probe.main(args)
    began = time.monotonic()
    rank_0 = confirm.main(confirming(args, 0, told, rendezvous_wait_s=1.0))
    assert (rank_0["peers_seen"], rank_0["port_free"], ended(told)) == ([], True, True)
    assert 1.0 <= time.monotonic() - began < 4
    assert list((tmp_path / "data").iterdir()) == []


def test_confirm_when_the_shared_path_is_another_one_then_the_nonce_is_not_seen(
    args: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain folder of the same kind does not hold the file of rank 0; one with another text does not match."""
    monkeypatch.setattr(confirm, "_NONCE_PAUSE_S", 0.05)
    told = probe.main(args)
    (tmp_path / "other").mkdir()
    empty = confirm._nonce(confirming(args, 1, told, shared_data_path="other"))
    (tmp_path / "other" / Path(told["shared"]["nonce_path"]).name).write_text("stale")
    stale = confirm._nonce(confirming(args, 1, told, shared_data_path="other"))
    confirm.main(confirming(args, 0, told, rendezvous_wait_s=0))
    assert empty == {"seen": False, "matches": False, "error": None}
    assert stale == {"seen": True, "matches": False, "error": None}


def test_probe_when_the_port_is_taken_then_holder_and_no_listener(args: dict[str, Any]) -> None:
    """Who holds the port is told; the nonce is kept by a process that listens on nothing."""
    with probe_port.bind(args["master_port"]):
        told = probe.main(args)
    master = told["master"]
    assert (master["port_free"], master["holder"]["pid"], master["port_error"]) == (
        False,
        os.getpid(),
        "Address already in use",
    )
    assert (master["listener"]["address"], master["listener"]["port"]) == (None, None)
    peer = confirm.main(confirming(args, 1, told))
    assert (peer["nonce"], peer["rendezvous"]["tried"]) == (SEEN, False)
    assert listener_record.end_process(master["listener"])
    assert not Path(told["shared"]["nonce_path"]).exists()


def recorded(tmp_path: Path) -> Path:
    """Return the record of the listener, which writes it by itself."""
    deadline = time.monotonic() + 5
    while not (found := list(tmp_path.rglob("preflight-listener-*.json"))):
        assert time.monotonic() < deadline, "no record within 5 s"
        time.sleep(0.01)
    return found[0]


def test_probe_when_an_earlier_preflight_left_its_listener_then_it_is_replaced(
    args: dict[str, Any], tmp_path: Path
) -> None:
    """A preflight that was cut off does not hold up the next one, and what it left in the shared path goes with it."""
    before = probe.main(args)
    recorded(tmp_path)
    told = probe.main({**args, "run_id": "r2", "nonce": "other"})
    assert (told["master"]["port_free"], ended(before)) == (True, True)
    rank_0 = confirm.main(confirming({**args, "run_id": "r2", "nonce": "other"}, 0, told, rendezvous_wait_s=0))
    assert (rank_0["port_free"], rank_0["taken_by"], list((tmp_path / "data").iterdir())) == (True, None, [])


def test_confirm_when_a_later_preflight_took_the_port_then_rank_0_names_its_run(
    args: dict[str, Any], tmp_path: Path
) -> None:
    """Of two launches at once the earlier one gives way, and learns to which."""
    first = probe.main(args)
    recorded(tmp_path)
    second = probe.main({**args, "run_id": "r2", "nonce": "other"})
    rank_0 = confirm.main(confirming(args, 0, first))
    assert (rank_0["taken_by"], rank_0["peers_seen"], rank_0["port_free"]) == ("r2", None, False)
    assert not ended(second)
    assert listener_record.end_process(second["master"]["listener"])


def test_confirm_when_the_listener_was_killed_then_nobody_is_named(args: dict[str, Any], tmp_path: Path) -> None:
    """A listener that somebody killed is told from ranks that did not come."""
    told = probe.main(args)
    recorded(tmp_path)
    os.kill(told["master"]["listener"]["pid"], signal.SIGKILL)
    rank_0 = confirm.main(confirming(args, 0, told))
    assert (rank_0["taken_by"], rank_0["port_free"]) == ("", True)


def test_probe_when_a_run_has_a_lock_of_the_port_then_it_is_not_even_tried(
    args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of that run is about to listen there; a preflight must not be what makes it fail."""
    lock = locks.holder_of(dict.fromkeys(("node_rank", "attempt", "owner", "model"), 0) | here(), processes.myself())
    key = f"port-{args['master_port']}"
    locks.take(args["state_dir"], [key], lock)

    def tried(_port: int) -> socket.socket:
        raise AssertionError

    monkeypatch.setattr(probe_port, "bind", tried)
    told = probe.main({**args, "run_id": "r2"})
    keeper = told["master"]["listener"]
    assert (told["master"]["port_free"], keeper["port"], [one["key"] for one in told["locks"]]) == (True, None, [key])
    assert listener_record.end_process(keeper)


def here() -> dict[str, str]:
    """Return the part of a spec that says which host it is."""
    return {"run_id": "r1", "hostname": host.hostname(), "boot_id": host.boot_id()}


def test_probe_when_there_is_one_rank_then_nothing_is_started(args: dict[str, Any], tmp_path: Path) -> None:
    """A launch on one host has nothing to prove to others."""
    told = probe.main({**args, "nnodes": 1})
    assert (told["master"]["port_free"], told["master"]["listener"]) == (True, None)
    assert (told["shared"]["nonce_written"], list((tmp_path / "data").iterdir())) == (False, [])
    rank_0 = confirm.main(confirming({**args, "nnodes": 1}, 0, told))
    assert (rank_0["rendezvous"]["tried"], rank_0["peers_seen"], rank_0["port_free"]) == (False, None, None)


def test_probe_when_the_address_is_anothers_then_there_is_no_listener(args: dict[str, Any]) -> None:
    """Rank 0 without the master address listens for nobody, but the port is looked at."""
    told = probe.main({**args, "master_addr": "203.0.113.7", "shared_data_path": ""})
    assert told["master"] == {
        "owns_addr": False,
        "resolved": ["203.0.113.7"],
        "resolve_error": None,
        "port_free": True,
        "holder": None,
        "listener": None,
    }


def test_probe_when_probes_hang_or_fail_then_the_other_facts_are_whole(
    args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fact keeps its form, and `failed` says which probes gave none and why."""
    monkeypatch.setattr(probe, "_SHARED_S", 0.5)
    monkeypatch.setattr(probe_storage, "shared", lambda _path: time.sleep(60))

    def broken() -> object:
        message = "no netlink"
        raise OSError(message)

    monkeypatch.setattr(probe, "interfaces", broken)
    told = probe.main({**args, "node_rank": 1})
    assert told["failed"] == {"interfaces": "OSError: no netlink", "shared": "does not answer within 0.5 s"}
    assert told["interfaces"] == {}
    assert told["shared"] == {**probe_storage.no_shared("data"), "error": "does not answer within 0.5 s"}
    assert (told["mad_dir"]["exists"], told["master"]["owns_addr"], told["state"]["writable"]) == (False, True, True)


def test_confirm_when_the_listener_is_slow_then_rank_0_asks_again(
    args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer that does not come, on a busy host, does not end the listener before the ranks were there."""
    told = probe.main(args)
    asked: list[int] = []
    really_ask = reach.ask

    def slow(address: str, port: int, line: bytes, nonce: str, rank: int) -> dict[str, list[int]]:
        asked.append(rank)
        if len(asked) == 1:
            raise TimeoutError
        return really_ask(address, port, line, nonce, rank)

    monkeypatch.setattr(reach, "ask", slow)
    with another_process() as pool:
        first = pool.submit(confirm.main, confirming(args, 0, told))
        peer = confirm.main(confirming(args, 1, told))
        rank_0 = first.result()
    assert (peer["rendezvous"]["failures"], rank_0["peers_seen"], ended(told)) == ([], [1], True)
