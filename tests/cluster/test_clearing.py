# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of a cluster is left, however it ends (in namespaces; needs root)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.namespaces import Namespaces, Plan
from tests.cluster.options import REPOSITORY, NodeOptions
from tests.cluster.processes import all_pids, namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

_OWNER = """
import sys, time
from pathlib import Path
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node

with Cluster(2, base=Path(sys.argv[1])) as cluster:
    pids = [cluster.control_pid, *(node.namespaces.pid for node in cluster.nodes)]
    cluster.popen(["sleep", "60"])
    print(*pids, flush=True)
    time.sleep(60)
"""


_INTERFACES = ("br-", "node", "data", "ens1")
_MOUNTS = ("cluster", "storage:/export", " /nfs", " /etc/", " /run/node", " /home", " /root", "boot_id")


@dataclass(frozen=True)
class Machine:
    """What this machine's own namespaces hold, as far as a cluster could have made it (other tests may run as well)."""

    interfaces: list[str]
    mounts: list[str]
    directories: list[str]


def _machine() -> Machine:
    interfaces = [path.name for path in Path("/sys/class/net").iterdir()]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return Machine(
        interfaces=sorted(name for name in interfaces if name.startswith(_INTERFACES)),
        mounts=[line for line in mounts if any(part in line for part in _MOUNTS)],
        directories=sorted(path.name for path in Path("/").iterdir()),
    )


@pytest.fixture
def before(make_cluster: MakeCluster) -> Iterator[Machine]:  # noqa: ARG001 - skips where there are no namespaces
    """The machine as it is; the test leaves it so."""
    machine = _machine()
    yield machine
    assert _machine() == machine


def _wait_gone(pids: list[int], names: set[str]) -> list[int]:
    """Processes that are still there, or in one of those namespaces, after five seconds."""
    deadline = time.monotonic() + 5
    while left := [pid for pid in all_pids() if pid in pids or namespace(pid, "net") in names]:
        if time.monotonic() > deadline:
            return left
        time.sleep(0.02)
    return []


def test_machine_when_cluster_is_up_then_it_is_untouched(before: Machine) -> None:
    """Interfaces, mounts and top directories of this machine are the same, while nodes run and after they ended."""
    with Cluster(2) as cluster:
        assert _machine() == before
        base = cluster.base
        names = {namespace(cluster.control_pid, "net"), *(namespace(n.namespaces.pid, "net") for n in cluster.nodes)}
        master = cluster.popen(["setsid", "sleep", "60"])
    assert master.wait(5) == -signal.SIGKILL
    assert not base.exists()
    assert _wait_gone([], names) == []


def test_cluster_when_test_fails_then_it_is_gone(before: Machine) -> None:  # noqa: ARG001 - looks afterwards
    """An error inside the `with` block ends the nodes and is passed on."""
    cluster = Cluster(1)
    pids = cluster.nodes[0].namespaces.pids()
    with pytest.raises(ZeroDivisionError), cluster:
        _ = 1 / 0
    assert (cluster.base.exists(), _wait_gone(pids, set())) == (False, [])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (NodeOptions(interface="a-name-that-is-too-long"), "ip -batch failed"),
        (NodeOptions(sshd=("NoSuchKeyword yes",)), "Bad configuration option: NoSuchKeyword"),
    ],
    ids=["interface", "sshd"],
)
def test_cluster_when_a_node_cannot_boot_then_all_is_taken_back(
    before: Machine,  # noqa: ARG001 - looks afterwards
    tmp_path: Path,
    wrong: NodeOptions,
    message: str,
) -> None:
    """A node that cannot boot is an error that names the cause; the nodes that could are ended."""
    base = tmp_path / "cluster"
    with pytest.raises(ClusterError, match=message):
        Cluster(2, overrides={1: wrong}, base=base)
    assert not base.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["INT", "TERM", "KILL"])
def test_owner_when_ended_by_a_signal_then_nodes_end(before: Machine, tmp_path: Path, number: signal.Signals) -> None:  # noqa: ARG001 - looks afterwards
    """Nodes do not outlive the process that made them; only after Ctrl-C it can remove its directory as well."""
    base = tmp_path / "cluster"
    argv = [sys.executable, "-c", _OWNER, str(base)]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 3
        os.kill(owner.pid, number)
        owner.wait(10)
    assert _wait_gone(pids, set()) == []
    assert base.exists() == (number != signal.SIGINT)


def test_namespaces_when_they_are_not_new_then_nothing_in_them_is_ended(before: Machine, tmp_path: Path) -> None:  # noqa: ARG001 - looks afterwards
    """What is not a cluster's own namespace is never taken for one, since all in it would be killed."""
    plan = Plan([], [], "").write(tmp_path / "plan.json")
    namespaces = Namespaces(["--uts"], plan)
    with pytest.raises(ClusterError, match=r"is in net namespace net:\[\d+\], not in one of its own"):
        namespaces.wait_born()
    assert namespaces.pids() == []
    namespaces.close()
    assert not namespaces.alive


def test_fixture_when_test_leaves_a_process_then_that_test_fails(tmp_path: Path) -> None:
    """The look after each test finds what it left on a node, says so, and ends it."""
    test = tmp_path / "test_leaves.py"
    test.write_text(
        "from tests.cluster.fixtures import *\n"
        "from tests.cluster.fixtures import _namespaces\n"
        "def test_leaves(cluster):\n"
        "    cluster.ssh(1, 'MADLAUNCH_RUN_ID=left setsid -f sleep 60 </dev/null >/dev/null 2>&1')\n"
        "def test_next(cluster):\n"
        "    assert cluster.run_processes() == {}\n",
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(test)]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert "2 passed, 1 error" in done.stdout
    assert "node02: " in done.stdout
    assert "sleep 60" in done.stdout
