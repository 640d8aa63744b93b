# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be the same with every supported ansible-core, on nodes with every supported Python.

`bash scripts/matrix.sh` runs these tests once for each version of ansible-core; they use the one they are started with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import launch
from tests.matrix.doors import Estate, states
from tests.matrix.pythons import found

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

OLDEST_OF_THE_LAUNCHER = (2, 19)
RUN_ID = "matrix-run"


def test_nodes_when_asked_then_each_has_its_python(mixed_cluster: Cluster) -> None:
    """The other tests run on nodes of which no two have the same Python, from 3.8 on where this machine has it."""
    said = [mixed_cluster.ssh(index, "python3 --version").stdout for index in range(len(mixed_cluster.nodes))]
    minors = [int(text.split(".")[1]) for text in said]
    assert minors[: len(found())] == list(found())


def test_launch_when_it_ends_well_then_collect_says_the_same(estate: Estate) -> None:
    """Every rank is well; the outcome brought home again later, from the nodes, is that of the launch."""
    launched = estate.play("launch", model="demo_train", run_id=RUN_ID, log_dir=estate.log_dir("launched"))
    assert launched.returncode == 0, launched.stdout + launched.stderr
    assert states(estate.outcome("launched")) == ["ok"] * len(estate.cluster.nodes)
    collected = estate.play("collect", run_id=RUN_ID, log_dir=estate.log_dir("collected"))
    assert collected.returncode == 0, collected.stdout + collected.stderr
    assert states(estate.outcome("collected")) == states(estate.outcome("launched"))


def test_launch_when_a_rank_fails_then_the_others_are_stopped(estate: Estate) -> None:
    """The play fails, and the outcome tells the rank that failed from those that were stopped because of it."""
    done = estate.play("launch", model="demo_fail", log_dir=estate.log_dir("failed"))
    assert done.returncode == 2, done.stdout + done.stderr
    others = ["stopped"] * (len(estate.cluster.nodes) - 2)
    assert states(estate.outcome("failed")) == ["stopped", "failed", *others]
    assert "demo_fail: node 1 ends with exit code 7" in done.stdout


def test_stop_when_a_detached_run_goes_on_then_nothing_is_left(estate: Estate) -> None:
    """A run that nobody follows is ended on every node; ending it again finds nothing to do."""
    started = estate.play("launch", model="demo_hang", run_id="matrix-stop", detach=True)
    assert started.returncode == 0, started.stdout + started.stderr
    assert len(estate.cluster.run_processes("matrix-stop")) == len(estate.cluster.nodes)
    first = estate.play("stop", run_id="matrix-stop", grace_s=1)
    assert (first.returncode, estate.cluster.run_processes()) == (0, {}), first.stdout + first.stderr
    second = estate.play("stop", run_id="matrix-stop")
    assert (second.returncode, "changed=1" in second.stdout) == (0, False), second.stdout + second.stderr


def test_dry_run_when_checked_then_shows_the_scripts(estate: Estate) -> None:
    """`--check` shows a script for each rank and each version of madengine, and contacts no node."""
    done = estate.play("launch", "--check", login={"ansible_user": "nobody"}, model="demo_train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("exec madengine run ") == 2 * len(estate.cluster.nodes)


def test_password_when_core_cannot_use_it_then_the_report_says_what_is_missing(
    estate: Estate, core: tuple[int, int]
) -> None:
    """From 2.19 on a password needs no other program; before, the preflight names it and the other ways."""
    access = estate.cluster.access
    login = {
        "ansible_user": access.user,
        "ansible_password": access.password,
        "ansible_ssh_common_args": access.ssh_args(),
    }
    done = estate.play("check", login=login, model="demo_train")
    said = done.stdout + done.stderr
    if core >= OLDEST_OF_THE_LAUNCHER:
        assert done.returncode == 0, said
    else:
        assert (done.returncode, "Install sshpass on the control node" in said) == (2, True), said


def test_launcher_when_core_is_new_enough_then_runs_on_these_nodes(
    mixed_cluster: Cluster, core: tuple[int, int], tmp_path: Path
) -> None:
    """The first door, with the ansible-core of this environment."""
    if core < OLDEST_OF_THE_LAUNCHER:
        pytest.skip("the launcher needs ansible-core 2.19 or later; the collection does not")
    done = launch(mixed_cluster, tmp_path, "--model", "demo_train")
    assert done.returncode == 0, done.stderr
    assert states(done.outcome) == ["ok"] * len(mixed_cluster.nodes)
