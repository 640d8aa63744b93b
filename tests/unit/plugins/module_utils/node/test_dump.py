# SPDX-License-Identifier: GPL-3.0-or-later
"""Stack dumps before a stop: real processes that hang, and what their log then says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import dump, processes

from tests.unit.plugins.module_utils.node.fake_docker import FakeDocker, mount
from tests.unit.plugins.module_utils.node.local_node import Node, wait_until

# A Python that hangs in a function with a telling name; {handler} is what it does about SIGUSR1.
HANGING = """
cat > train.py <<'END'
import faulthandler, signal, sys, threading
{handler}
def all_reduce():
    print("up", flush=True)
    threading.Event().wait()
all_reduce()
END
exec {python} -S train.py
"""
FAULTHANDLER = "faulthandler.register(signal.SIGUSR1)"


@pytest.fixture(autouse=True)
def no_py_spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH for a stand-in; the py-spy of this machine, if there is one, is not taken before it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def hanging(node: Node, handler: str = "") -> str:
    """Start a Python that hangs; return the run id."""
    run_id = node.start(HANGING.format(handler=handler, python=sys.executable))
    node.wait_for(run_id, b"up\n")
    return run_id


def dumped(node: Node, run_id: str) -> str:
    """Stop a run for its silence and return its log."""
    answer = node.stop(run_id, reason="silence", dump=True)
    assert (answer["clean"], answer["status"]["stop_reason"]) == (True, "silence")
    return node.follow_to_end(run_id)[0].decode()


def py_spy(folder: Path, script: str) -> None:
    """Make a program py-spy."""
    (folder / "py-spy").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "py-spy").chmod(0o755)


def test_stop_with_dump_when_python_handles_sigusr1_then_its_stack_is_in_the_log(node: Node) -> None:
    """Faulthandler tells the line that hangs, before the first signal of the stop."""
    run_id = hanging(node, FAULTHANDLER)
    pid = node.status(run_id)[0]["child"]["pid"]
    log = dumped(node, run_id)
    assert log.startswith(
        "up\nmadlaunch: where the 1 processes of rank 0 are, before the stop (silence):\n"
        f"madlaunch: process {pid} [{sys.executable} -S train.py], which handles SIGUSR1:\n    thread {pid}: "
    )
    stack, _, after = log.partition("madlaunch: end of the stacks\n")
    assert "in all_reduce\n" in stack
    assert ("KeyboardInterrupt" in stack, "KeyboardInterrupt" in after) == (False, True)


def test_stop_with_dump_when_python_does_not_handle_it_then_it_is_not_sent(node: Node) -> None:
    """SIGUSR1 would be its end; the kernel tells of each thread, and SIGINT is what ends it."""
    run_id = hanging(node)
    pid = node.status(run_id)[0]["child"]["pid"]
    log = dumped(node, run_id)
    assert re.search(
        rf"^madlaunch: process {pid} \[.*train.py\], by the kernel:\n"
        rf"    thread {pid}: python\S*, state S(, waits in \w+)?(, system call \d+)?\n",
        log,
        re.MULTILINE,
    )
    assert "KeyboardInterrupt" in log
    assert node.status(run_id)[0]["signal"] == signal.SIGINT


@pytest.mark.parametrize("handler", ["", FAULTHANDLER], ids=["plain", "handles-sigusr1"])
def test_stop_with_dump_when_there_is_py_spy_then_it_is_asked_first(node: Node, no_py_spy: Path, handler: str) -> None:
    """With the process number and nothing else; the process is not disturbed."""
    py_spy(no_py_spy, 'echo "args: $*"; echo "  all_reduce (train.py:5)"')
    run_id = hanging(node, handler)
    pid = node.status(run_id)[0]["child"]["pid"]
    log = dumped(node, run_id)
    assert f", by py-spy:\n    args: dump --pid {pid}\n      all_reduce (train.py:5)\nmadlaunch: end" in log
    assert "handles SIGUSR1" not in log


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Permission Denied: try sudo' >&2; exit 1", "py-spy failed: Permission Denied: try sudo"),
        ("exit 3", "py-spy failed: 3"),
        ("exit 0", "py-spy failed: 0"),
        ("exec sleep 60", "py-spy gave no answer in 0 s"),
    ],
    ids=["not-allowed", "silent", "empty", "hangs"],
)
def test_dump_when_py_spy_fails_then_it_says_so_and_goes_on(
    node: Node, no_py_spy: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """The next best way is taken; the job is as it was."""
    run_id = hanging(node)
    py_spy(no_py_spy, script)
    monkeypatch.setattr(dump, "_PY_SPY_S", 0.3)
    assert dump.main(str(node.rank_dir(run_id))) == 0
    log = (node.rank_dir(run_id) / "log").read_text()
    assert f", by the kernel ({said}):\n    thread " in log
    assert node.status(run_id)[0]["state"] == "running"


def test_stop_with_dump_when_a_process_is_no_python_then_it_has_one_line(node: Node) -> None:
    """A shell and what it waits for; a line of the job that has no end yet stays whole."""
    run_id = node.start("printf '50%% done'; sleep 300; sleep 301")
    node.wait_for(run_id, b"done")
    wait_until(lambda: len(processes.of_run(run_id, 0)) == 2)
    shell, sleep = sorted(processes.of_run(run_id, 0), key=lambda one: one.pid)
    lines = dumped(node, run_id).splitlines()
    assert lines[:2] == ["50% done", "madlaunch: where the 2 processes of rank 0 are, before the stop (silence):"]
    assert [line.split("]: ")[0] for line in lines[2:4]] == [
        f"madlaunch: process {shell.pid} [/bin/sh {node.rank_dir(run_id)}/run.sh",
        f"madlaunch: process {sleep.pid} [sleep 300",
    ]
    assert lines[2].split("]: ")[1].startswith("sh, state S")
    assert lines[4] == "madlaunch: end of the stacks"


def test_stop_with_dump_tells_what_runs_in_the_containers(node: Node, docker: FakeDocker) -> None:
    """Their processes belong to another user; only the engine sees them."""
    run_id = node.start("echo up; sleep 300")
    node.wait_for(run_id, b"up")
    docker.add("0123456789abcdef", **mount(str(node.rank_dir(run_id) / "work")))
    docker.add("other", **mount("/data"))
    table = "madlaunch: processes in container 0123456789ab:\n    PID COMMAND\n    1 train in 0123456789abcdef\n"
    log = dumped(node, run_id)
    assert table in log
    assert "madlaunch: Python in container 0123456789ab:\n    asked in 0123456789abcdef\n" in log
    assert log.count(" in container") == 2


@pytest.mark.namespace
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a process namespace")
@pytest.mark.parametrize("handler", ["", FAULTHANDLER], ids=["plain", "handles-sigusr1"])
def test_script_for_containers_tells_the_stack_of_what_it_may_signal(tmp_path: Path, handler: str) -> None:
    """As on the host: SIGUSR1 only to a Python that handles it, the wait channel of each, nothing of the others."""
    program = f"import faulthandler, os, signal, time\n{handler}\ndef all_reduce(): time.sleep(60)\n"
    program += "open('up', 'w').close()\nall_reduce()\n"
    (tmp_path / "train.py").write_text(program)
    (tmp_path / "script").write_text(dump.IN_CONTAINER)
    steps = f"{sys.executable} -S train.py & until [ -e up ]; do sleep 0.05; done; sleep 0.2; sh script; sleep 0.3; "
    steps += "kill -0 $! && echo lives; kill -KILL $!"
    argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", steps]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    lines = done.stdout.splitlines()
    assert (len([line for line in lines if line.startswith("process ")]), "-S train.py ]" in lines[0]) == (1, True)
    assert any(line.startswith("  thread 2: python") and "waits in " in line for line in lines)
    assert ("  handles SIGUSR1" in lines, "in all_reduce" in done.stderr) == (bool(handler), bool(handler))
    assert lines[-1] == "lives"


def test_dump_when_the_time_is_over_then_each_process_still_has_a_line(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is no time for is said."""
    run_id = hanging(node, FAULTHANDLER)
    monkeypatch.setattr(dump, "_LIMIT_S", 0.0)
    dump.main(str(node.rank_dir(run_id)))
    log = (node.rank_dir(run_id) / "log").read_text()
    assert " (no time for its stack)\nmadlaunch: end of the stacks\n" in log
    assert "in all_reduce" not in log


def test_stop_without_dump_writes_none(node: Node) -> None:
    """It is asked for where somebody has to be told why."""
    run_id = hanging(node, FAULTHANDLER)
    node.stop(run_id)
    assert "madlaunch" not in node.follow_to_end(run_id)[0].decode()


def with_dump(node: Node, body: str, script: str) -> str:
    """Start a job whose dump is this Python code, with `path` of the run directory; return the run id."""
    run_id = node.start(f"echo up; {script}")
    node.wait_for(run_id, b"up")
    code = f"import time\ndef main(path):\n    open(path + '/began', 'w').close()\n    {body}\n"
    (node.rank_dir(run_id) / "supervisor" / "node" / "dump.py").write_text(code)
    return run_id


def test_stop_when_the_job_ends_during_the_dump_then_that_is_its_end(node: Node) -> None:
    """It was not stopped: its exit code is its own."""
    run_id = with_dump(node, "time.sleep(1)", "until [ -e ../began ]; do sleep 0.05; done; exit 7")
    status = node.stop(run_id, reason="silence", dump=True)["status"]
    assert (status["ended_by"], status["exit_code"], status["left"]) == ("itself", 7, 0)


@pytest.mark.slow
def test_stop_when_the_dump_hangs_then_it_is_given_up(node: Node) -> None:
    """Ten seconds; then the job is ended all the same, and nothing of the dump is left."""
    run_id = with_dump(node, "time.sleep(300)", "sleep 300")
    began_s = time.monotonic()
    answer = node.stop(run_id, reason="silence", dump=True)
    assert (answer["clean"], answer["status"]["ended_by"]) == (True, "stop")
    assert 10 <= time.monotonic() - began_s < 16
    assert node.verify(run_id)["clean"] is True


def test_is_python_tells_interpreters_from_other_programs(node: Node) -> None:
    """By the program that runs, not by the words of its command line."""
    run_id = node.start(f"sh -c ': python; sleep 300; :' & exec {sys.executable} -S -c 'import time; time.sleep(300)'")
    wait_until(lambda: len(processes.of_run(run_id, 0)) == 3)
    child = node.status(run_id)[0]["child"]["pid"]
    wait_until(lambda: dump.is_python(child))
    assert [one.pid for one in processes.of_run(run_id, 0) if dump.is_python(one.pid)] == [child]


def test_handles_is_true_only_for_signals_with_a_handler() -> None:
    """Ignored, and left at the default, are not handled."""
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    ignored = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        assert [dump.handles(os.getpid(), one) for one in (signal.SIGUSR1, signal.SIGUSR2)] == [True, False]
    finally:
        signal.signal(signal.SIGUSR1, before)
        signal.signal(signal.SIGUSR2, ignored)
    assert dump.handles(os.getpid(), signal.SIGUSR1) is False
