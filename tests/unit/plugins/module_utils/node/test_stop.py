# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `stop`: it returns when nothing of the run is left, and touches nothing else."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files, processes, record, stop

from tests.unit.plugins.module_utils.node.local_node import Node, wait_until

CLEAN = {"processes_left": [], "containers_removed": [], "containers_left": [], "clean": True, "schema": 1}


def without_status(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer without the status, which other tests look at."""
    return {key: value for key, value in answer.items() if key != "status"}


def test_stop_ends_the_job_and_says_why(node: Node) -> None:
    """SIGINT first, which the job may use to clean up; the reason is in the record."""
    run_id = node.start("trap 'echo cleaned; exit 130' INT; echo up; while :; do sleep 0.05; done", grace_s=30)
    node.wait_for(run_id, b"up")
    began_s = time.monotonic()
    answer = node.stop(run_id, reason="gang", grace_s=30)
    assert time.monotonic() - began_s < 5
    status = answer["status"]
    assert (status["ended_by"], status["stop_reason"], status["exit_code"]) == ("stop", "gang", 130)
    assert node.follow_to_end(run_id)[0] == b"up\ncleaned\n"
    assert answer["found"] is True
    assert answer["clean"] is True


def test_stop_uses_its_own_grace(node: Node) -> None:
    """Somebody who is in a hurry need not wait for the grace of the start."""
    run_id = node.start("trap '' INT TERM; echo up; sleep 300; sleep 301; sleep 302", grace_s=60)
    node.wait_for(run_id, b"up")
    began_s = time.monotonic()
    answer = node.stop(run_id, grace_s=0.2)
    assert time.monotonic() - began_s < 5
    assert (answer["clean"], answer["status"]["signal"]) == (True, signal.SIGKILL)


def test_stop_again_finds_nothing_to_do(node: Node) -> None:
    """The second call gives the same record, and stops nothing."""
    run_id = node.start("sleep 300")
    first = node.stop(run_id)
    second = node.stop(run_id, reason="another")
    assert without_status(second) == {**CLEAN, "found": True, "processes_stopped": 0}
    assert second["status"] == first["status"]


def test_stop_of_an_unknown_run_is_clean(node: Node) -> None:
    """Nothing found is no error, and no rank of that id can start here any more: its launch may be on the way."""
    run_id = node.new_run_id()
    answer = node.stop(run_id, node_rank=None)
    assert answer == {**CLEAN, "found": False, "processes_stopped": 0, "status": None}
    with pytest.raises(NodeCallError, match="was stopped before its rank 3 had started"):
        node.start("sleep 300", run_id=run_id, node_rank=3)
    assert node.stop(run_id, node_rank=None)["clean"]
    node.start("true", run_id=node.new_run_id())


def test_stop_of_a_rank_that_has_ended_changes_nothing(node: Node) -> None:
    """A good end stays a good end."""
    run_id = node.start("exit 0")
    _, status = node.follow_to_end(run_id)
    answer = node.stop(run_id)
    assert (answer["status"], answer["clean"]) == (status, True)


def test_two_stops_at_once_agree(node: Node) -> None:
    """Both return when it is true, with one reason, that of the first."""
    run_id = node.start("trap '' INT; echo up; sleep 300; sleep 301")
    node.wait_for(run_id, b"up")
    answers: list[dict[str, Any]] = []
    callers = [threading.Thread(target=lambda: answers.append(node.stop(run_id))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [(answer["clean"], answer["found"]) for answer in answers] == [(True, True)] * 2
    assert answers[0]["status"] == answers[1]["status"]
    assert processes.of_run(run_id) == []


def test_stop_ends_what_a_killed_supervisor_left(node: Node) -> None:
    """Found by environment and record; the end is then written, so that it stays the truth."""
    run_id = node.start("trap '' INT TERM; (setsid sleep 300 &); echo up; sleep 301; sleep 302")
    node.wait_for(run_id, b"up")
    members = processes.of_run(run_id, 0)
    processes.send(node.supervisor(run_id), signal.SIGKILL)
    answer = node.stop(run_id)
    assert (answer["clean"], answer["processes_stopped"]) == (True, len(members))
    assert not any(processes.is_running(member.to_json()) for member in members)
    status = files.read_json(str(node.rank_dir(run_id) / "status.json"))
    assert status == answer["status"]
    assert status is not None
    assert (status["state"], status["ended_by"]) == ("ended", "supervisor_lost")


def test_stop_ends_a_supervisor_that_does_not_answer(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs (on a dead file server, say) is killed after the deadline, and its job by stop itself."""
    run_id = node.start("trap '' INT; echo up; sleep 300; sleep 301")
    node.wait_for(run_id, b"up")
    processes.send(node.supervisor(run_id), signal.SIGSTOP)
    monkeypatch.setattr(stop, "KILL_WAIT_S", 0.0)
    monkeypatch.setattr(stop, "_MARGIN_S", 0.5)
    monkeypatch.setattr(stop, "_SUPERVISOR_EXIT_S", 0.1)
    # Stopped stands for one that waits in the kernel, which nothing wakes.
    monkeypatch.setattr(record, "wake", lambda _status: None)
    args = {"run_id": run_id, "node_rank": 0, "state_dir": str(node.state_dir), "reason": "user", "grace_s": 0.2}
    answer = stop.main(args)
    assert (answer["clean"], answer["status"]["ended_by"]) == (True, "supervisor_lost")
    assert processes.of_run(run_id) == []


def test_stop_leaves_other_runs_and_ranks_alone(node: Node) -> None:
    """Two runs of one login on one host never hurt each other; nor do two ranks when one is asked for."""
    run_id = node.start("sleep 300")
    node.start("sleep 300", run_id=run_id, node_rank=1)
    other = node.start("sleep 300")
    node.stop(run_id, node_rank=0)
    states = {(status["run_id"], status["node_rank"]): status["state"] for status in node.status()}
    assert states == {(run_id, 0): "ended", (run_id, 1): "running", (other, 0): "running"}


def test_stop_without_a_rank_ends_all_ranks_of_this_host(node: Node) -> None:
    """Somebody who only knows the run id can stop it."""
    run_id = node.start("sleep 300")
    node.start("sleep 300", run_id=run_id, node_rank=1)
    answer = node.stop(run_id, node_rank=None)
    assert (answer["clean"], answer["status"]["node_rank"]) == (True, 0)
    assert [status["ended_by"] for status in node.status(run_id)] == ["stop", "stop"]


def test_stop_finds_processes_whose_run_directory_is_gone(node: Node) -> None:
    """The environment tells whose they are, even if nothing else does any more."""
    run_id = node.start("trap '' INT; echo up; sleep 300; sleep 301")
    node.wait_for(run_id, b"up")
    node.rank_dir(run_id).rename(node.home / "elsewhere")
    wait_until(lambda: len(processes.of_run(run_id)) == 2)
    answer = node.stop(run_id)
    assert (answer["found"], answer["clean"], answer["processes_stopped"]) == (True, True, 2)


def test_stop_leaves_the_rank_of_another_host_alone(node: Node) -> None:
    """With a home that all nodes share its directory is there; nothing is asked of it, and no start is forbidden."""
    run_id = node.start("exit 0")
    node.follow_to_end(run_id)
    rank_dir = node.rank_dir(run_id)
    spec = files.read_json(str(rank_dir / "spec.json"))
    status = files.read_json(str(rank_dir / "status.json"))
    assert spec is not None
    assert status is not None
    files.write_json(str(rank_dir / "spec.json"), {**spec, "hostname": "another-host"})
    files.write_json(str(rank_dir / "status.json"), {**status, "state": "running"})
    answer = node.stop(run_id)
    assert answer == {**CLEAN, "found": False, "processes_stopped": 0, "status": None}
    assert not (rank_dir / "stop").exists()
    assert [path.name for path in rank_dir.parent.iterdir()] == ["rank0"]
