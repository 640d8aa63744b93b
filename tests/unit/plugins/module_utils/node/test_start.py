# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `start`: the run directory it makes, and what it refuses without leaving anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files, processes

from tests.unit.plugins.module_utils.node.local_node import Node, call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def tree(path: Path) -> dict[str, str]:
    """Return names and modes of everything in a directory, without what is in its directories."""
    return {entry.name: oct(entry.lstat().st_mode)[-4:] for entry in path.iterdir()}


def test_start_makes_a_directory_that_is_closed_to_others(node: Node) -> None:
    """Everything is the login's alone; script and extra files arrive as they were sent."""
    script = "# 'quotes' \"too\" $HOME `x` é\nexit 0\n"
    run_id = node.start(script, files={"context.json": '{"a": "ü"}'})
    node.follow_to_end(run_id)
    rank_dir = node.rank_dir(run_id)
    assert oct(rank_dir.stat().st_mode)[-3:] == "700"
    (work,) = {mode for name, mode in tree(rank_dir).items() if name == "work"}
    assert tree(rank_dir) == {
        "run.sh": "0700",
        "context.json": "0600",
        "log": "0600",
        "spec.json": "0600",
        "status.json": "0600",
        "lease": "0600",
        "supervisor": "0700",
        "supervisor.log": "0600",
        "work": work,
    }
    assert (rank_dir / "run.sh").read_text() == script
    assert (rank_dir / "context.json").read_text() == '{"a": "ü"}'


def test_start_answers_with_directory_process_and_time(node: Node) -> None:
    """The process is the job itself."""
    run_id = node.new_run_id()
    args = {
        "run_id": run_id,
        "node_rank": 0,
        "nnodes": 2,
        "host": "h",
        "model": "m",
        "owner": "o",
        "state_dir": str(node.state_dir),
        "script": "exec sleep 300",
        "files": {},
        "mad_dir": str(node.mad_dir),
        "in_place": False,
        "timeout_s": 0,
        "grace_s": 1,
        "lease_s": 0,
    }
    answer = call("start", args)
    status = node.status(run_id)[0]
    assert answer == {
        "schema": 1,
        "rank_dir": str(node.rank_dir(run_id)),
        "pid": status["child"]["pid"],
        "started_at_s": status["started_at_s"],
        "attempt": 0,
        "locks": [],
    }
    wait_until(lambda: processes.command(answer["pid"]) == "sleep 300")


def test_start_refuses_a_run_that_is_there(node: Node) -> None:
    """The same run id twice would mix two runs; the first one goes on."""
    run_id = node.start("sleep 300")
    with pytest.raises(NodeCallError) as caught:
        node.start("echo second", run_id=run_id)
    assert caught.value.message == f"this run was started already: {node.rank_dir(run_id)} exists"
    assert node.status(run_id)[0]["state"] == "running"
    node.start("true", run_id=run_id, node_rank=1)


def test_start_refuses_a_run_that_was_stopped_before(node: Node) -> None:
    """A start that was still on its way when the run was stopped must not come through later."""
    run_id = node.new_run_id()
    assert node.stop(run_id, node_rank=0)["found"] is False
    with pytest.raises(NodeCallError, match="was stopped before its rank 0 had started"):
        node.start("echo hello", run_id=run_id)
    assert not node.rank_dir(run_id).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mad_dir": "/nonexistent/MAD"}, "the MAD checkout /nonexistent/MAD is not there"),
        ({"run_id": "a/b"}, "the run id 'a/b' is not usable"),
        ({"node_rank": -1}, "the node rank -1 is not a whole number from 0 on"),
        ({"files": {"../x": ""}}, "'../x' cannot be the name of a file of a run"),
        ({"state_dir": "/proc/madlaunch"}, "the run directory cannot be made: /proc/madlaunch"),
    ],
    ids=["mad-dir", "run-id", "rank", "file", "state-dir"],
)
def test_start_that_cannot_be_done_leaves_nothing(node: Node, changes: dict[str, object], message: str) -> None:
    """The message names the value; no half-made directory is left to be found later."""
    with pytest.raises(NodeCallError) as caught:
        node.start("true", **changes)
    assert caught.value.message.startswith(message)
    assert list(node.state_dir.glob("runs/*/*")) == []


def test_start_in_place_works_in_the_checkout(node: Node) -> None:
    """No copy; the result rows that are there already are counted, so that they are not taken for new ones."""
    (node.mad_dir / "perf.csv").write_text("model,performance\nold,1\nolder,2\n")
    run_id = node.start("pwd; echo new,3 >> perf.csv", in_place=True)
    answer = node.follow(run_id, want_results=True, wait_s=0)
    log, _ = node.follow_to_end(run_id)
    answer = node.follow(run_id, len(log), want_results=True)
    assert log.decode() == f"{node.mad_dir}\n"
    assert not (node.rank_dir(run_id) / "work").exists()
    assert answer["results"]["perf_rows_before"] == 2
    assert answer["results"]["perf_csv"].splitlines() == ["model,performance", "new,3"]


def test_start_on_the_oldest_python_does_the_same(node: Node) -> None:
    """Start, follow, status and stop with Python 3.8."""
    python = Path.home() / ".pyenv/versions/3.8.18/bin/python3"
    if not python.exists():
        pytest.skip(f"no Python 3.8 at {python}")
    node.interpreter = str(python)
    run_id = node.start("echo hello; trap '' INT TERM; (setsid sleep 300 &) ; sleep 301; sleep 302")
    assert node.follow(run_id)["data"] == b"hello\n"
    assert processes.command(node.supervisor(run_id).pid).startswith(str(python))
    assert node.status(run_id)[0]["last_line"] == "hello"
    answer = node.stop(run_id)
    assert (answer["clean"], answer["status"]["ended_by"], answer["status"]["signal"]) == (True, "stop", 9)


@pytest.fixture
def small_state_dir(node: Node) -> Iterator[Path]:
    """A state directory on a file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("a disk that is full needs root (mount of a tmpfs)")
    node.state_dir.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", node.state_dir], check=False)
    if mounted.returncode != 0:
        pytest.skip("no right to mount a tmpfs here")
    yield node.state_dir
    node.kill_everything()
    subprocess.run(["umount", node.state_dir], check=True)


def test_start_without_room_for_the_checkout_says_what_is_missing(node: Node, small_state_dir: Path) -> None:
    """The room is looked at before anything is copied."""
    (node.mad_dir / "large").write_bytes(b"x" * 3_000_000)
    with pytest.raises(NodeCallError) as caught:
        node.start("true")
    assert caught.value.message.startswith(f"the copy of {node.mad_dir} needs 4 MB, ")
    assert "node_state_dir" in caught.value.hint
    assert list(small_state_dir.glob("runs/*/*")) == []


def test_start_on_a_full_disk_says_how_much_is_free(node: Node, small_state_dir: Path) -> None:
    """Not even the record fits."""
    with pytest.raises(OSError, match="No space left"):
        (small_state_dir / "filler").write_bytes(b"x" * 300_000)
    with pytest.raises(NodeCallError) as caught:
        node.start("true", in_place=True)
    assert "No space left on device" in caught.value.message
    assert "(0 MB and " in caught.value.message
    assert list(small_state_dir.glob("runs/*/*")) == []


def test_spec_says_what_was_asked_for(node: Node) -> None:
    """For whoever looks at a run directory later."""
    run_id = node.start("true", timeout_s=60, grace_s=1.5)
    spec = files.read_json(str(node.rank_dir(run_id) / "spec.json"))
    assert spec is not None
    assert {key: spec[key] for key in ("run_id", "host", "model", "timeout_s", "grace_s", "lease_s", "work")} == {
        "run_id": run_id,
        "host": "node01",
        "model": "some_model",
        "timeout_s": 60,
        "grace_s": 1.5,
        "lease_s": 0,
        "work": str(node.rank_dir(run_id) / "work"),
    }
