# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.cluster up|down|status`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.namespaces import can_unshare
from tests.cluster.options import REPOSITORY
from tests.cluster.processes import start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cluster


def _cli(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.cluster", *words]
    return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A directory for a cluster, which ends with the test."""
    base = tmp_path / "cluster"
    yield base
    _cli("down", "--dir", str(base))


def _record(base: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((base / "cluster.json").read_text())
    return record


def _login(base: Path, name: str, command: str) -> subprocess.CompletedProcess[str]:
    record = _record(base)
    argv = [*record["prefix"], *record["ssh"][name], command]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    "kind",
    [pytest.param([], id="namespaces", marks=pytest.mark.namespace), pytest.param(["--loopback"], id="loopback")],
)
def test_up_when_done_then_nodes_answer_until_down(base: Path, kind: list[str]) -> None:
    """`up` returns when all nodes can be logged into, `status` repeats what it said, `down` leaves nothing."""
    up = _cli("up", "--nodes", "3", "--madengine", "1", "--gpus", "4", "--dir", str(base), *kind)
    assert (up.returncode, up.stderr) == (0, "")
    line = "echo $MADENGINE_STANDIN $(rocm-smi --showid --csv | grep -c card)"
    assert [_login(base, name, line).stdout for name in ("node01", "node02", "node03")] == ["1 4\n"] * 3
    again = _cli("up", "--dir", str(base), *kind)
    assert (again.returncode, f"exists; end the cluster in it with: python3 -m tests.cluster down --dir {base}") == (
        1,
        again.stderr.strip().partition("cluster: ")[2].removeprefix(f"{base} "),
    )
    status = _cli("status", "--dir", str(base))
    assert (status.returncode, status.stdout) == (0, up.stdout)
    pid, args = _record(base)["keeper_pid"], _record(base)["launcher_args"]
    assert shlex.split(_cli("args", "--dir", str(base)).stdout) == args
    assert _cli("down", "--dir", str(base)).stdout == f"the nodes of {base} are ended\n"
    assert (base.exists(), start_ticks(pid)) == (False, None)
    assert _cli("status", "--dir", str(base)).returncode == 3
    assert _cli("args", "--dir", str(base)).stderr == (
        f"tests.cluster: no cluster is up in {base}; start one with: python3 -m tests.cluster up\n"
    )
    assert _cli("down", "--dir", str(base)).returncode == 0


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        pytest.param(["--last-shared", "missing"], ["yes", "no"], id="namespaces", marks=pytest.mark.namespace),
        pytest.param(["--loopback"], ["yes", "yes"], id="loopback"),
    ],
)
def test_inventory_when_given_to_ansible_then_it_reaches_the_nodes(
    base: Path, tmp_path: Path, kind: list[str], shared: list[str]
) -> None:
    """Ansible runs modules on the nodes from outside their network; the last node may have another /nfs/data."""
    if "--loopback" not in kind and not can_unshare():
        pytest.skip("needs root, for nodes in network namespaces")
    _cli("up", "--dir", str(base), *kind)
    inventory = tmp_path / "nodes.json"
    inventory.write_text(_cli("inventory", "--dir", str(base)).stdout)
    folder = json.loads(inventory.read_text())["training"]["vars"].get("shared_data_path", "/nfs/data")
    argv = ["ansible", "training", "--one-line", "-i", str(inventory), "-m", "stat", "-a", f"path={folder}"]
    env = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}
    # Without it Ansible asks for a terminal, which an SSH server that is not root's may be unable to give.
    env["ANSIBLE_PIPELINING"] = "1"
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60)
    answers = dict(line.split(" | SUCCESS => ") for line in done.stdout.splitlines())
    seen = [json.loads(answers[name])["stat"]["exists"] for name in ("node01", "node02")]
    assert ["yes" if exists else "no" for exists in seen] == shared


def test_up_when_loopback_cannot_have_it_then_it_says_so(base: Path) -> None:
    """Nodes on loopback share this machine's file systems."""
    done = _cli("up", "--loopback", "--last-shared", "missing", "--dir", str(base))
    assert (done.returncode, "needs nodes in network namespaces, and those need root" in done.stderr) == (1, True)


def test_down_when_the_keeper_was_killed_then_it_clears_up(base: Path) -> None:
    """After a SIGKILL, `status` says so, and `down` removes what the keeper could not; no other process is touched."""
    _cli("up", "--loopback", "--dir", str(base))
    record = _record(base)
    os.kill(record["keeper_pid"], signal.SIGKILL)
    status = _cli("status", "--dir", str(base))
    assert (status.returncode, "were killed; clear up with" in status.stdout) == (3, True)
    (base / "cluster.json").write_text(json.dumps({**record, "keeper_pid": os.getpid()}))
    assert _cli("down", "--dir", str(base)).returncode == 0
    assert [os.path.exists(path) for path in record["paths"]] == [False, False]  # noqa: PTH110 - strings from a file


def test_up_when_it_cannot_then_it_says_why(base: Path) -> None:
    """Of a directory that is in use for something else, nothing is removed."""
    base.mkdir()
    done = _cli("up", "--loopback", "--dir", str(base))
    message = f"tests.cluster: {base} exists; name another directory with --dir\n"
    assert (done.returncode, done.stderr, base.exists()) == (1, message, True)
