# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the preflight as a whole: one report, nothing started, nothing left, two commands per host."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.cluster.accounts import LOGIN_ID
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import _need, _nothing_left
from tests.integration.launching import LAUNCHER, REPOSITORY, environment, launch
from tests.integration.preflighting import PREFLIGHT_FAILED, commands_run, found, nodes_arg, runs, traces
from tests.integration.running import launch_live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.launching import Launch

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

COMMANDS_PER_HOST = 2
INTERRUPTED = 130


@pytest.fixture(scope="module")
def cluster(_namespaces: bool) -> Iterator[Cluster]:  # noqa: FBT001 - a fixture
    """Three nodes on which all is well."""
    _need(_namespaces)
    with Cluster(3) as made:
        yield made
        _nothing_left(made)


@pytest.fixture
def two_faults(cluster: Cluster) -> Iterator[None]:
    """Node 1 has lost its checkout, node 2 one of its GPUs."""
    checkout = cluster.nodes[1].home / "MAD"
    hidden = checkout.rename(checkout.with_name("away"))
    cluster.nodes[2].set_gpus(1)
    yield
    hidden.rename(checkout)
    cluster.nodes[2].set_gpus(2)


MORE_FORKS = (
    "Leave out --forks of the launcher, or give at least 3. In Ansible: ansible-playbook --forks 3, "
    "or ANSIBLE_FORKS=3, or Forks = 3 in the AWX job template."
)
FAULTS = [
    ("mad_dir", 1, "There is no folder /home/mluser/MAD."),
    ("gpus", 2, "There are 1 GPUs, but 2 on the other hosts."),
]


def test_check_only_when_all_is_well_then_nothing_is_started_and_nothing_is_left(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Exit code 0; no rank, no run directory, no file, no listener; each host ran two commands."""
    before = [commands_run(node) for node in cluster.nodes]
    done = launch(cluster, tmp_path, "--model", "demo_train", "--check-only")
    assert (done.returncode, done.outcome["state"], done.errors) == (0, "ok", [])
    assert [event["event"] for event in done.events if event["event"] in {"start", "line", "rank"}] == []
    assert [(runs(node), traces(node)) for node in cluster.nodes] == [([], [])] * 3
    after = [commands_run(node) for node in cluster.nodes]
    assert [now - then for now, then in zip(after, before, strict=True)] == [COMMANDS_PER_HOST] * 3


@pytest.mark.usefixtures("two_faults")
def test_launch_when_two_hosts_have_faults_then_one_report_has_both_and_nothing_is_started(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A launch that fails its checks costs the same two commands per host, and leaves as little."""
    before = [commands_run(node) for node in cluster.nodes]
    done = launch(cluster, tmp_path, "--model", "demo_train")
    assert (done.returncode, len(done.of("preflight")), found(done, cluster)) == (PREFLIGHT_FAILED, 1, FAULTS)
    assert [event["event"] for event in done.events if event["event"] in {"start", "line", "rank"}] == []
    assert [(runs(node), traces(node), node.processes()) for node in cluster.nodes] == [([], [], [])] * 3
    after = [commands_run(node) for node in cluster.nodes]
    assert [now - then for now, then in zip(after, before, strict=True)] == [COMMANDS_PER_HOST] * 3


@pytest.mark.usefixtures("two_faults")
def test_check_only_when_the_failing_checks_are_skipped_then_it_passes_and_says_so(
    cluster: Cluster, tmp_path: Path
) -> None:
    """What was left out stands in the report, for programs and for people."""
    words = ["--model", "demo_train", "--check-only", "--skip-check"]
    done = launch(cluster, tmp_path, *words, "mad_dir,gpus")
    assert (done.returncode, done.errors, done.of("preflight")[0]["skipped"]) == (0, [], ["mad_dir", "gpus"])
    argv = [*LAUNCHER, *cluster.launcher_args(), *words, "gpus"]
    text = cluster.run(argv, cwd=REPOSITORY, env=environment(tmp_path, NO_COLOR="1"))
    assert text.returncode == PREFLIGHT_FAILED
    assert "Checks left out on request: gpus" in text.stdout
    assert "Preflight failed: 1 error. Nothing was started." in text.stdout


def test_launch_when_an_earlier_run_still_runs_then_its_hosts_say_so(cluster: Cluster, tmp_path: Path) -> None:
    """Rank 0 and 1 of the earlier run are named with run and rank; --share-hosts lets the next one by."""
    old = cluster.nodes[:2]
    with launch_live(cluster, tmp_path, "--model", "demo_sleep", *nodes_arg(old)) as earlier:
        for node_rank in (0, 1):
            earlier.wait_for_event("line", node_rank=node_rank, text=f"tick 1 of 60 on node {node_rank}")
        run_id = earlier.events[0]["run_id"]
        done = launch(cluster, tmp_path, "--model", "demo_train")
        beside = launch(cluster, tmp_path, "--model", "demo_train", "--check-only", "--share-hosts")
        earlier.interrupt()
        assert earlier.end() == INTERRUPTED
    message = f"Run {run_id} of demo_sleep of {getpass.getuser()} has the master port 4000 and the GPUs."
    assert (done.returncode, found(done, cluster)) == (
        PREFLIGHT_FAILED,
        [("lock", 0, message), ("lock", 1, message)],
    )
    seen = [item["seen"].split(", ")[1] for item in done.findings if item["check"] == "lock"]
    assert seen == ["rank 0", "rank 1"]
    assert (beside.returncode, beside.errors) == (0, [])
    assert [runs(node) for node in cluster.nodes] == [[run_id], [run_id], []]


def stop_command(done: Launch, check: str) -> str:
    """Return the command of the launcher that a finding proposes."""
    fix: str = next(item["fix"] for item in done.findings if item["check"] == check)
    return fix.partition(" (in Ansible: ")[0].partition("python launcher.py ")[2]


def test_launch_when_ranks_of_a_killed_run_live_on_then_they_are_found_and_the_fix_ends_them(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Their supervisors are gone, and with them the locks; this machine has no record of that run."""
    login = ["setpriv", f"--reuid={LOGIN_ID}", f"--regid={LOGIN_ID}", "--clear-groups"]
    with contextlib.ExitStack() as living:
        for node in cluster.nodes[1:]:
            rank = ["env", "MADLAUNCH_RUN_ID=mad-old-1", f"MADLAUNCH_NODE_RANK={node.index}", "sleep", "600"]
            living.callback(living.enter_context(node.popen([*login, *rank])).kill)
        done = launch(cluster, tmp_path, "--model", "demo_train")
        message = "Run mad-old-1 still runs there and may hold the GPUs."
        expected = [("leftovers", 1, message), ("leftovers", 2, message)]
        assert (done.returncode, found(done, cluster), done.of("start")) == (PREFLIGHT_FAILED, expected, [])
        words = [*LAUNCHER, *shlex.split(stop_command(done, "leftovers")), "--ssh-args", cluster.access.ssh_args()]
        stopped = cluster.run(words, cwd=REPOSITORY, env=environment(tmp_path))
        assert (stopped.returncode, [node.processes() for node in cluster.nodes]) == (0, [[], [], []])
    assert launch(cluster, tmp_path, "--model", "demo_train", "--check-only").returncode == 0


def test_launch_when_forks_of_the_launcher_are_too_few_then_that_alone_is_found(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The fix names the flag that was given."""
    done = launch(cluster, tmp_path, "--model", "demo_train", "--forks", "1")
    found_fixes = [(item["check"], item["severity"], item["fix"]) for item in done.findings]
    assert (done.returncode, found_fixes) == (PREFLIGHT_FAILED, [("forks", "error", MORE_FORKS)])
    assert done.of("start") == []


def test_playbook_when_forks_are_too_few_then_that_alone_is_found(
    cluster: Cluster, tmp_path: Path, collections_path: Path
) -> None:
    """With one fork the ranks would start one after the other, and no host can be tried against another."""
    inventory = tmp_path / "inventory.json"
    hosts = {node.name: {"ansible_host": node.address} for node in cluster.nodes}
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": cluster.inventory_vars()}}))
    argv = ["ansible-playbook", "--inventory", str(inventory), "madlaunch.multinode.launch", "--forks", "1"]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_path), "XDG_STATE_HOME": str(tmp_path)}
    before = {node.name: runs(node) for node in cluster.nodes}
    # What only keeps the nonce of an earlier test goes some seconds later.
    going = {node.name: traces(node) for node in cluster.nodes}
    done = cluster.run([*argv, "--extra-vars", "model=demo_train"], env={**env, "ANSIBLE_NOCOLOR": "1"})
    assert done.returncode != 0
    # Ansible may show the message of a failed task twice, the second time within its result.
    lines = {line.strip() for line in done.stdout.replace("\\n", "\n").splitlines()}
    said = "error: forks: Ansible works on 1 hosts at a time, so the 3 ranks would start one after the other. "
    fix = f"Fix: {MORE_FORKS}"
    assert {line[: len(said + fix)] for line in lines if line.startswith("error: ")} == {said + fix}
    assert {node.name: runs(node) for node in cluster.nodes} == before
    left = {node.name: [trace for trace in traces(node) if trace not in going[node.name]] for node in cluster.nodes}
    assert left == {node.name: [] for node in cluster.nodes}
