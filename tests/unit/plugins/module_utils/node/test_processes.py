# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as /proc shows them: real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import processes
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.processes import Process

from tests.unit.plugins.module_utils.node.local_node import wait_until

RUN_ID = f"test-processes-{os.getpid()}"
Spawn = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start programs that are killed, and their exit codes read, at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    roots = [found for found in (processes.look(process.pid) for process in started) if found]
    for left in processes.of_run(RUN_ID, None, roots):
        processes.send(left, signal.SIGKILL)
    for process in started:
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def mark(node_rank: int = 0, run_id: str = RUN_ID) -> dict[str, str]:
    """Return the environment that makes a process one of the run."""
    return {"MADLAUNCH_RUN_ID": run_id, "MADLAUNCH_NODE_RANK": str(node_rank)}


def test_look_finds_a_process_whose_name_has_parentheses_and_spaces(spawn: Spawn) -> None:
    """The fields after the name are taken from its last parenthesis on."""
    script = (
        "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a) R 1 (b', 0, 0, 0); print(1, flush=True); time.sleep(99)"
    )
    process = spawn(sys.executable, "-c", script)
    assert process.stdout is not None
    process.stdout.readline()
    found = processes.look(process.pid)
    assert found is not None
    assert (found.pid, found.parent, found.running) == (process.pid, os.getpid(), True)


def test_look_of_a_number_that_nobody_has_is_none(spawn: Spawn) -> None:
    """Nobody has it once its exit code was read."""
    process = spawn("true")
    process.communicate()
    assert processes.look(process.pid) is None


def test_is_running_believes_only_number_and_beginning_together(spawn: Spawn) -> None:
    """A number that is used again by another process is not the process that was meant; a zombie runs no more."""
    process = spawn("sleep", "99")
    found = processes.look(process.pid)
    assert found is not None
    assert processes.is_running(found.to_json())
    assert not processes.is_running({"pid": found.pid, "start_ticks": found.start_ticks - 1})
    assert not processes.is_running(None)
    process.kill()
    wait_until(lambda: not processes.is_running(found.to_json()))


@pytest.mark.parametrize("with_handle", [True, False], ids=["pidfd", "without-pidfd"])
def test_send_never_hits_another_process_with_the_same_number(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch, *, with_handle: bool
) -> None:
    """The signal arrives at the process that was meant, and at nobody if that one is gone."""
    if not with_handle:
        monkeypatch.delattr(os, "pidfd_open")
    process = spawn("sleep", "99")
    found = processes.look(process.pid)
    assert found is not None
    assert processes.send(Process(found.pid, found.start_ticks - 1), signal.SIGKILL) is False
    assert process.poll() is None
    assert processes.send(found, signal.SIGTERM) is True
    assert process.wait(5) == -signal.SIGTERM
    assert processes.send(found, signal.SIGKILL) is False


def test_of_run_finds_by_environment_rank_by_rank(spawn: Spawn) -> None:
    """The rank decides if it is asked for; another run, and one whose id only begins alike, are left alone."""
    first = spawn("sleep", "99", **mark(0))
    second = spawn("sleep", "99", **mark(1))
    spawn("sleep", "99", **mark(0, RUN_ID + "-2"))
    wait_until(lambda: len(processes.of_run(RUN_ID)) == 2)
    assert [found.pid for found in processes.of_run(RUN_ID, 0)] == [first.pid]
    assert [found.pid for found in processes.of_run(RUN_ID, 1)] == [second.pid]
    assert {found.pid for found in processes.of_run(RUN_ID)} == {first.pid, second.pid}


def test_of_run_finds_descendants_that_dropped_their_environment(spawn: Spawn) -> None:
    """A child with an empty environment is found below its parent."""
    parent = spawn("sh", "-c", "env -i sleep 99 & echo $!; wait", **mark())
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_until(lambda: processes.command(child) == "sleep 99")
    assert {found.pid for found in processes.of_run(RUN_ID)} == {parent.pid, child}


def test_of_run_takes_what_descends_from_known_processes(spawn: Spawn) -> None:
    """A root counts with all below it, unless its number belongs to somebody else by now."""
    root = spawn("sh", "-c", "sleep 99 & echo $!; wait")
    assert root.stdout is not None
    child = int(root.stdout.readline())
    found = processes.look(root.pid)
    assert found is not None
    assert {one.pid for one in processes.of_run(RUN_ID, 0, [found])} == {root.pid, child}
    assert processes.of_run(RUN_ID, 0, [Process(root.pid, found.start_ticks + 1)]) == []


def test_of_run_leaves_out_zombies(spawn: Spawn) -> None:
    """What has ended and only waits to be read is no longer a process of the run."""
    process = spawn("sleep", "99", **mark())
    wait_until(lambda: len(processes.of_run(RUN_ID)) == 1)
    process.kill()
    wait_until(lambda: processes.of_run(RUN_ID) == [])
    assert processes.look(process.pid) is not None


def test_command_is_for_people(spawn: Spawn) -> None:
    """Words with blanks between, bounded; the name in brackets where there are no words; nothing when it is gone."""
    process = spawn("sleep", "99")
    wait_until(lambda: processes.command(process.pid) == "sleep 99")
    process.kill()
    wait_until(lambda: processes.command(process.pid) == "[sleep]")
    process.wait()
    assert processes.command(process.pid) == ""
