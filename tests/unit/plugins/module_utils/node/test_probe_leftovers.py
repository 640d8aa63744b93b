# SPDX-License-Identifier: GPL-3.0-or-later
"""What of earlier runs still lives, by real processes."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import processes
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.host import boot_id, hostname
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.probe_leftovers import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Other tests may run on this machine at the same time; these names are only ours.
OWN = f"probe-{os.getpid()}"


@contextlib.contextmanager
def sleeping(**environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Let a process sleep with these variables."""
    ready = "import sys, time; print('x', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", ready], env={**os.environ, **environment}, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def ours(state_dir: Path, run_id: str = "new") -> list[dict[str, object]]:
    """Return what was found of the runs of this test, without the ages."""
    found = [item for item in leftovers(str(state_dir), run_id) if str(item["run_id"]).startswith(OWN)]
    assert all(0 <= float(str(item.pop("age_s"))) < 4000 for item in found)
    return found


def expected(run_id: str, node_rank: int, pid: int, **values: object) -> dict[str, object]:
    """Return the item for a living rank."""
    item = {"run_id": run_id, "node_rank": node_rank, "pid": pid, "state": "running", "same_user": True, "model": ""}
    item["user"] = pwd.getpwuid(os.getuid()).pw_name
    return {**item, **values}


def write_status(state_dir: Path, run_id: str, process: processes.Process, **values: Any) -> None:  # noqa: ANN401
    """Write the status file of rank 3 of a run whose supervisor is `process`."""
    folder = state_dir / "runs" / run_id / "rank3"
    folder.mkdir(parents=True)
    status = {
        "state": "stopping",
        "model": "m",
        "supervisor": process.to_json(),
        "child": None,
        "boot_id": boot_id(),
        "hostname": hostname(),
        "started_at_s": time.time() - 5,
    }
    (folder / "status.json").write_text(json.dumps({**status, **values}))


def test_leftovers_when_a_process_carries_a_run_id_then_each_rank_is_named_once(tmp_path: Path) -> None:
    """A rank is known by its environment, however many processes it has; the run that asks is no leftover."""
    run_id, own = f"{OWN}-a", f"{OWN}-b"
    with (
        sleeping(MADLAUNCH_RUN_ID=run_id, MADLAUNCH_NODE_RANK="1") as first,
        sleeping(MADLAUNCH_RUN_ID=run_id, MADLAUNCH_NODE_RANK="1") as second,
        sleeping(MADLAUNCH_RUN_ID=own, MADLAUNCH_NODE_RANK="0"),
        sleeping(MADLAUNCH_RUN_ID=run_id),
    ):
        assert ours(tmp_path, own) == [expected(run_id, 1, min(first.pid, second.pid))]
    assert ours(tmp_path, own) == []


def test_leftovers_when_a_status_file_names_a_living_process_then_it_is_one(tmp_path: Path) -> None:
    """The file adds the model and the state; damaged files are passed over."""
    run_id = f"{OWN}-c"
    with sleeping() as process:
        supervisor = processes.look(process.pid)
        assert supervisor is not None
        write_status(tmp_path, run_id, supervisor)
        (tmp_path / "runs" / f"{OWN}-d" / "rank0").mkdir(parents=True)
        (tmp_path / "runs" / f"{OWN}-d" / "rank0" / "status.json").write_text("{")
        assert ours(tmp_path) == [expected(run_id, 3, process.pid, state="stopping", model="m")]
    assert ours(tmp_path) == []


@pytest.mark.parametrize(
    "values",
    [
        {"hostname": "another"},
        {"boot_id": "another"},
        {"supervisor": {"pid": 1, "start_ticks": 1}},
        {"supervisor": None},
    ],
    ids=["another-host", "another-boot", "number-used-again", "none"],
)
def test_leftovers_when_the_file_is_not_of_a_process_here_then_nothing(tmp_path: Path, values: dict[str, Any]) -> None:
    """A home may be shared by all hosts, and process numbers are used again."""
    write_status(tmp_path, f"{OWN}-e", processes.myself(), **values)
    assert ours(tmp_path) == []
