# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of a host: one run at a time, and nothing stays of one that is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import (
    host,
    listener,
    listener_record,
    locks,
    probe_port,
    processes,
)
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.errors import NodeError

from tests.unit.plugins.module_utils.node.local_node import Node, wait_until

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ["port-4000", "gpus"]


def holder(run_id: str, process: processes.Process | None = None, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - any word
    """Return the words of a lock that a process (this one) holds for a run."""
    spec = {"run_id": run_id, "node_rank": 0, "attempt": 0, "owner": "ada", "model": "m"}
    place = {"hostname": host.hostname(), "boot_id": host.boot_id()}
    return {**locks.holder_of({**spec, **place}, process or processes.myself()), **values}


def owners(state_dir: Path) -> list[tuple[str, str, bool]]:
    """Return (key, run id, alive) of the locks of this host."""
    return [(lock["key"], lock["run_id"], lock["alive"]) for lock in locks.held(str(state_dir))]


def test_take_when_another_run_has_the_lock_then_it_is_named(tmp_path: Path) -> None:
    """With its owner and what ends it; what this call had taken already is free again."""
    locks.take(str(tmp_path), ["gpus"], holder("first"))
    with pytest.raises(NodeError) as caught:
        locks.take(str(tmp_path), KEYS, holder("second"))
    assert caught.value.message == "the run first of ada has the GPUs of this host"
    assert caught.value.hint == "stop it (python launcher.py stop first --nodes HOST), or allow both with --share-hosts"
    assert owners(tmp_path) == [("gpus", "first", True)]


def test_take_when_hosts_are_shared_then_only_what_is_free_is_taken(tmp_path: Path) -> None:
    """The lock of the first run stays its own."""
    locks.take(str(tmp_path), ["gpus"], holder("first"))
    assert locks.take(str(tmp_path), KEYS, holder("second"), share=True) == ["port-4000"]
    assert owners(tmp_path) == [("gpus", "first", True), ("port-4000", "second", True)]


def test_take_when_it_is_the_same_run_then_it_has_the_lock_already(tmp_path: Path) -> None:
    """A second rank on the host, or the next attempt, is no other run."""
    locks.take(str(tmp_path), KEYS, holder("first"))
    assert locks.take(str(tmp_path), KEYS, holder("first", attempt=1)) == KEYS
    assert [lock["attempt"] for lock in locks.held(str(tmp_path))] == [1, 1]


@pytest.mark.parametrize(
    "stale",
    [{"pid": 1, "start_ticks": 1}, {"boot_id": "another"}, {"hostname": "another"}],
    ids=["number-used-again", "another-boot", "renamed-host"],
)
def test_take_when_the_holder_is_gone_then_the_lock_is_stale(tmp_path: Path, stale: dict[str, Any]) -> None:
    """A dead run keeps nobody away, and nothing of the exchange stays in the folder."""
    state_dir = str(tmp_path)
    locks.take(state_dir, ["gpus"], holder("dead"))
    locks.hand_over(state_dir, ["gpus"], holder("dead", **stale))
    assert owners(tmp_path) == [("gpus", "dead", False)]
    assert locks.take(state_dir, ["gpus"], holder("living")) == ["gpus"]
    assert owners(tmp_path) == [("gpus", "living", True)]
    assert [path.name for path in (tmp_path / "locks").iterdir()] == [f"gpus@{host.hostname()}"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run_id": "x"}'], ids=repr)
def test_take_when_the_file_is_damaged_then_it_is_no_lock(tmp_path: Path, text: str) -> None:
    """Half a file of a full disk must not keep a host out of use."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / f"gpus@{host.hostname()}").write_text(text)
    assert locks.held(str(tmp_path)) == []
    assert locks.take(str(tmp_path), ["gpus"], holder("living")) == ["gpus"]
    assert owners(tmp_path) == [("gpus", "living", True)]


@pytest.mark.parametrize(("first", "second"), [("gpus", "gpu-3"), ("gpu-3", "gpus")])
def test_take_when_one_has_all_gpus_and_one_a_part_then_they_cross(tmp_path: Path, first: str, second: str) -> None:
    """And two different GPUs do not."""
    locks.take(str(tmp_path), [first], holder("first"))
    with pytest.raises(NodeError, match="the run first of ada has the GPUs of this host"):
        locks.take(str(tmp_path), ["port-1", second], holder("second"))
    assert owners(tmp_path) == [(first, "first", True)]
    locks.release(str(tmp_path), [first], holder("first"))
    locks.take(str(tmp_path), ["gpu-1"], holder("first"))
    assert locks.take(str(tmp_path), ["gpu-2"], holder("second")) == ["gpu-2"]


def test_held_when_hosts_share_a_home_then_each_sees_its_own(tmp_path: Path) -> None:
    """The same key on another host is another lock."""
    locks.take(str(tmp_path), ["gpus"], holder("here"))
    other = "x" * len(host.hostname())
    (tmp_path / "locks" / f"gpus@{other}").write_text(json.dumps(holder("there", hostname=other)))
    assert owners(tmp_path) == [("gpus", "here", True)]


@pytest.mark.parametrize("key", ["", "../x", "a/b", "a@b", "A"])
def test_take_when_the_key_is_no_name_then_it_is_refused(tmp_path: Path, key: str) -> None:
    """A key is a part of a file name."""
    with pytest.raises(NodeError, match="cannot name a lock"):
        locks.take(str(tmp_path), [key], holder("first"))


def test_take_when_many_find_a_stale_lock_at_once_then_one_has_it(tmp_path: Path) -> None:
    """Whoever lost is told of the one that won."""
    with subprocess.Popen([sys.executable, "-c", "pass"]) as dead:
        gone = processes.Process(dead.pid, 1)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / f"gpus@{host.hostname()}").write_text(json.dumps(holder("dead", gone)))

    def attempt(number: int) -> str:
        code = (
            "import sys, json; from ansible_collections.madlaunch.multinode.plugins.module_utils.node import locks\n"
            "from ansible_collections.madlaunch.multinode.plugins.module_utils.node.errors import NodeError\n"
            "state_dir, words = sys.argv[1], json.loads(sys.argv[2])\n"
            "try: locks.take(state_dir, ['gpus'], words); print('taken')\n"
            "except NodeError as error: print(error.message)\n"
        )
        words = json.dumps(holder(f"run{number}"))
        environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"}
        argv = [sys.executable, "-c", code, str(tmp_path), words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(attempt, range(6)))
    (winner,) = [f"run{number}" for number, text in enumerate(said) if text == "taken"]
    assert sorted(set(said)) == ["taken", f"the run {winner} of ada has the GPUs of this host"]
    assert owners(tmp_path) == [("gpus", winner, True)]


def test_start_when_another_run_lives_then_its_locks_keep_it_out(node: Node) -> None:
    """Named with id and owner, nothing of the refused run is left; a supervisor that ends frees what it had."""
    first = node.start("sleep 300", lock_keys=KEYS)
    held = locks.held(str(node.state_dir))
    supervisor = node.supervisor(first)
    assert [(lock["key"], lock["run_id"], lock["owner"], lock["pid"], lock["alive"]) for lock in held] == [
        ("gpus", first, "somebody@control", supervisor.pid, True),
        ("port-4000", first, "somebody@control", supervisor.pid, True),
    ]
    second = node.new_run_id()
    with pytest.raises(NodeCallError) as caught:
        node.start("true", run_id=second, lock_keys=KEYS)
    assert caught.value.message == f"the run {first} of somebody@control has the master port 4000 of this host"
    assert not node.rank_dir(second).exists()
    node.start("true", run_id=second, lock_keys=KEYS, share_hosts=True)
    node.stop(first)
    wait_until(lambda: not processes.is_running(supervisor.to_json()))
    third = node.start("sleep 300", lock_keys=KEYS)
    assert {(run_id, alive) for _, run_id, alive in owners(node.state_dir)} == {(third, True)}


def test_start_when_the_supervisor_was_killed_then_its_lock_is_stale(node: Node) -> None:
    """Kill -9 leaves the file, and the file means nothing."""
    first = node.start("sleep 300", lock_keys=KEYS)
    processes.send(node.supervisor(first), signal.SIGKILL)
    wait_until(lambda: not processes.is_running(node.supervisor(first).to_json()))
    assert owners(node.state_dir) == [("gpus", first, False), ("port-4000", first, False)]
    second = node.start("true", lock_keys=KEYS)
    assert node.follow_to_end(second)[1]["exit_code"] == 0


def test_start_that_fails_gives_its_locks_back(node: Node) -> None:
    """Whatever the reason."""
    with pytest.raises(NodeCallError, match="cannot be the name of a file"):
        node.start("true", lock_keys=KEYS, files={"../x": ""})
    assert locks.held(str(node.state_dir)) == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("ended", [True, False], ids=["of-a-later-launch", "of-the-run-itself"])
def test_start_when_a_preflight_holds_the_master_port_then_the_port_is_the_jobs(node: Node, *, ended: bool) -> None:
    """The preflight of a launch that came later must not make rank 0 of this run fail; its own may end."""
    run_id = node.new_run_id()
    server = probe_port.bind(0)
    port = server.getsockname()[1]
    record = listener_record.path_of(str(node.state_dir), port)
    node.state_dir.mkdir(exist_ok=True)
    identity = listener.start(server, listener.Duty("later" if ended else run_id, record, "nonce", None, 30.0))
    wait_until(lambda: listener_record.recorded(record, port) is not None)
    node.start("sleep 300", run_id=run_id, lock_keys=[f"port-{port}"])
    assert processes.is_running(identity) is not ended
    listener_record.end_process(identity)
