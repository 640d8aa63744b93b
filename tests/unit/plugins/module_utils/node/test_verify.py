# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `verify`: what is left of a run is named, and nothing is done about it."""

from __future__ import annotations

import signal
import subprocess

from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files, processes

from tests.unit.plugins.module_utils.node.fake_docker import FakeDocker, mount
from tests.unit.plugins.module_utils.node.local_node import Node, wait_until

CLEAN = {"schema": 1, "found": True, "clean": True, "processes_left": [], "containers_left": []}


def test_verify_of_a_rank_that_has_ended_is_clean(node: Node) -> None:
    """Also in the moment after the record, in which the supervisor still goes."""
    run_id = node.start("exit 0")
    wait_until(lambda: node.status(run_id)[0]["state"] == "ended")
    assert node.verify(run_id) == CLEAN
    assert node.verify(run_id, None) == CLEAN


def test_verify_when_the_supervisor_has_only_to_go_then_it_is_waited_for(node: Node) -> None:
    """Half a second after its last word, on a busy host, it is no leftover; one that never goes is."""
    run_id = node.start("exit 0")
    status = node.follow_to_end(run_id)[1]
    path = str(node.rank_dir(run_id) / "status.json")
    with subprocess.Popen(["sleep", "0.5"]) as going, subprocess.Popen(["sleep", "60"]) as staying:
        goes, stays = (processes.look(process.pid) for process in (going, staying))
        assert goes is not None
        assert stays is not None
        files.write_json(path, {**status, "supervisor": goes.to_json()})
        assert node.verify(run_id) == CLEAN
        files.write_json(path, {**status, "supervisor": stays.to_json()})
        left = [{"pid": staying.pid, "command": "sleep 60"}]
        assert node.verify(run_id) == {**CLEAN, "clean": False, "processes_left": left}
        staying.kill()


def test_verify_of_an_unknown_run_finds_nothing(node: Node) -> None:
    """It is clean, and nothing is made."""
    assert node.verify("unknown", None) == {**CLEAN, "found": False}
    assert not node.state_dir.exists()


def test_verify_of_a_running_rank_names_supervisor_and_job_and_ends_nothing(node: Node) -> None:
    """Every process of the run, and none of another."""
    node.start("sleep 300")
    run_id = node.start("exec sleep 301")
    wait_until(lambda: processes.command(node.status(run_id)[0]["child"]["pid"]) == "sleep 301")
    status = node.status(run_id)[0]
    answer = node.verify(run_id)
    left = {item["pid"]: item["command"] for item in answer["processes_left"]}
    assert (set(left), answer["clean"]) == ({status["supervisor"]["pid"], status["child"]["pid"]}, False)
    assert left[status["child"]["pid"]] == "sleep 301"
    assert node.status(run_id)[0]["state"] == "running"


def test_verify_sees_what_a_killed_supervisor_left(node: Node) -> None:
    """By the environment, whoever its parent is now, of any attempt."""
    run_id = node.start("trap '' INT TERM; (setsid sleep 300 &); echo up; sleep 301; sleep 302", attempt=2)
    wait_until(lambda: b"up" in (node.rank_dir(run_id, 0, 2) / "log").read_bytes())
    supervisor = processes.from_json(node.status(run_id)[0]["supervisor"])[0]
    processes.send(supervisor, signal.SIGKILL)
    wait_until(lambda: not processes.is_running(supervisor.to_json()))
    answer = node.verify(run_id)
    assert {item["pid"] for item in answer["processes_left"]} == {one.pid for one in processes.of_run(run_id)}
    assert (len(answer["processes_left"]), answer["clean"]) == (3, False)
    assert node.stop(run_id)["clean"] is True
    assert node.verify(run_id) == CLEAN


def test_verify_names_containers_and_removes_none(docker: FakeDocker, node: Node) -> None:
    """A container that a clean end left, as one that no engine removed."""
    run_id = node.start("exit 0")
    node.follow_to_end(run_id)
    docker.add("mine", **mount(str(node.rank_dir(run_id) / "work")))
    docker.add("other", **mount("/somewhere"))
    assert node.verify(run_id) == {**CLEAN, "clean": False, "containers_left": ["mine"]}
    assert docker.names() == ["mine", "other"]
    answer = node.follow(run_id, want_results=True)
    assert answer["clean"] == {**CLEAN, "clean": False, "containers_left": ["mine"]}


def test_verify_when_docker_does_not_answer_then_it_is_not_called_clean(docker: FakeDocker, node: Node) -> None:
    """Not to know is not to be clean."""
    run_id = node.start("exit 0")
    node.follow_to_end(run_id)
    program = docker.folder / "bin" / "docker"
    program.write_text("#!/bin/sh\necho 'internal error' >&2; exit 1\n")
    left = ["docker: docker ps failed: internal error"]
    assert node.verify(run_id) == {**CLEAN, "clean": False, "containers_left": left}
