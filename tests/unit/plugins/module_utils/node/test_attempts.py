# SPDX-License-Identifier: GPL-3.0-or-later
"""Several attempts of one run: each has its directory, one at a time, and a stop is for all of them."""

from __future__ import annotations

import signal

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files, processes

from tests.unit.plugins.module_utils.node.local_node import Node, wait_until


def attempts(node: Node, *scripts: str) -> str:
    """Run the scripts one after the other as attempts of a run, the last one without waiting; return the run id."""
    run_id = node.new_run_id()
    for number, script in enumerate(scripts):
        node.start(script, run_id=run_id, attempt=number, lock_keys=["port-4000"])
        if number < len(scripts) - 1:
            node.follow_to_end(run_id)
    return run_id


def test_attempts_have_directories_of_their_own(node: Node) -> None:
    """The first one keeps its place, the job knows which one it is, and all calls take the newest by default."""
    run_id = attempts(node, "echo attempt $MADLAUNCH_ATTEMPT; exit 1", "echo attempt $MADLAUNCH_ATTEMPT; pwd")
    log, status = node.follow_to_end(run_id)
    assert log == f"attempt 1\n{node.rank_dir(run_id, 0, 1)}/work\n".encode()
    assert (status["attempt"], status["exit_code"]) == (1, 0)
    first = node.follow(run_id, attempt=0)
    assert (first["data"], first["status"]["attempt"], first["status"]["exit_code"]) == (b"attempt 0\n", 0, 1)


def test_status_shows_the_newest_attempt_or_all(node: Node) -> None:
    """With the numbers of all that are here."""
    run_id = attempts(node, "exit 1", "exit 2", "sleep 300")
    node.start("sleep 300", run_id=run_id, node_rank=1)
    shown = [(one["node_rank"], one["attempt"], one["attempts"]) for one in node.status(run_id)]
    assert shown == [(0, 2, [0, 1, 2]), (1, 0, [0])]
    codes = [(one["attempt"], one["exit_code"]) for one in node.status(run_id, node_rank=0, all_attempts=True)]
    assert codes == [(0, 1), (1, 2), (2, None)]


def test_follow_of_an_attempt_that_is_not_here_says_so(node: Node) -> None:
    """It is not taken for the newest."""
    run_id = attempts(node, "sleep 300")
    with pytest.raises(NodeCallError, match=f"this host has no attempt 1 of rank 0 of the run {run_id}"):
        node.follow(run_id, attempt=1)


@pytest.mark.parametrize("attempt", [-1, "1", None], ids=repr)
def test_start_refuses_what_is_no_attempt(node: Node, attempt: object) -> None:
    """Before anything is made."""
    with pytest.raises(NodeCallError, match="is not a whole number from 0 on"):
        node.start("true", attempt=attempt)
    assert not node.state_dir.exists()


def test_start_refuses_an_attempt_beside_another_one(node: Node) -> None:
    """The supervisors know a process by its run and rank; each would end those of the other."""
    run_id = attempts(node, "sleep 300")
    with pytest.raises(NodeCallError, match="attempt 0 of rank 0 still runs on this host"):
        node.start("true", run_id=run_id, attempt=1)
    assert node.status(run_id)[0]["state"] == "running"
    node.start("sleep 300", run_id=run_id, node_rank=1, attempt=1)
    node.stop(run_id, attempt=0)
    node.start("true", run_id=run_id, attempt=1)
    assert [one["attempt"] for one in node.status(run_id)] == [1, 1]


def test_start_after_a_killed_supervisor_is_possible(node: Node) -> None:
    """An attempt whose supervisor is gone does not run any more, whatever its record says."""
    run_id = attempts(node, "sleep 300")
    supervisor = node.supervisor(run_id)
    processes.send(supervisor, signal.SIGKILL)
    wait_until(lambda: not processes.is_running(supervisor.to_json()))
    assert node.stop(run_id, attempt=0)["clean"] is True
    node.start("echo again", run_id=run_id, attempt=1)
    assert node.follow_to_end(run_id)[0] == b"again\n"


def test_stop_ends_whatever_attempt_there_is(node: Node) -> None:
    """It says how the newest one ended; the record of the first stays as it was."""
    run_id = attempts(node, "exit 1", "sleep 300")
    answer = node.stop(run_id)
    assert (answer["clean"], answer["status"]["attempt"], answer["status"]["ended_by"]) == (True, 1, "stop")
    ends = [(one["attempt"], one["ended_by"]) for one in node.status(run_id, all_attempts=True)]
    assert ends == [(0, "itself"), (1, "stop")]


@pytest.mark.parametrize("node_rank", [0, None], ids=["of-the-rank", "of-all-ranks"])
@pytest.mark.parametrize("script", ["sleep 300", "exit 1"], ids=["running", "ended"])
def test_stop_by_a_person_forbids_further_attempts(node: Node, node_rank: int | None, script: str) -> None:
    """Also between two of them, when nothing runs that could be stopped."""
    run_id = attempts(node, script)
    node.stop(run_id, node_rank=node_rank)
    with pytest.raises(NodeCallError, match=f"the run {run_id} was stopped before its rank 0 had started"):
        node.start("true", run_id=run_id, attempt=1)
    assert not node.rank_dir(run_id, 0, 1).exists()


def test_stop_of_one_attempt_lets_the_next_one_start(node: Node) -> None:
    """The launcher stops the others of a failed attempt, and starts all of them again."""
    run_id = attempts(node, "sleep 300")
    node.stop(run_id, attempt=0, reason="gang")
    node.start("sleep 300", run_id=run_id, attempt=1)
    node.stop(run_id, attempt=1, reason="gang")
    marks = [path.name for path in (node.state_dir / "runs" / run_id).iterdir()]
    assert sorted(marks) == ["attempt1", "rank0"]


def test_stop_before_an_attempt_forbids_just_this_one(node: Node) -> None:
    """A start that is still on its way must not come through later; the attempt after it is another matter."""
    run_id = attempts(node, "exit 1")
    assert node.stop(run_id, attempt=1, reason="gang")["clean"] is True
    with pytest.raises(NodeCallError, match="was stopped before its rank 0 had started"):
        node.start("true", run_id=run_id, attempt=1)
    node.start("echo two", run_id=run_id, attempt=2)
    assert node.follow_to_end(run_id)[0] == b"two\n"


def test_stop_leaves_no_mark_for_the_rank_of_another_host(node: Node) -> None:
    """With a home that all nodes share, a stop on this one is none of that one."""
    run_id = attempts(node, "exit 0", "exit 0")
    node.follow_to_end(run_id)
    for attempt in (0, 1):
        path = str(node.rank_dir(run_id, 0, attempt) / "spec.json")
        files.write_json(path, {**(files.read_json(path) or {}), "hostname": "another-host"})
    assert node.stop(run_id)["found"] is False
    assert sorted(path.name for path in (node.state_dir / "runs" / run_id).iterdir()) == ["attempt1", "rank0"]
