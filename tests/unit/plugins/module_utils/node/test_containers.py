# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of a run, with a stand-in for docker that keeps them as files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import containers, files
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.paths import RankDir

from tests.unit.plugins.module_utils.node.fake_docker import FakeDocker, mount
from tests.unit.plugins.module_utils.node.local_node import Node, wait_until


@pytest.fixture
def rank_dir(tmp_path: Path) -> RankDir:
    """A run directory with a spec."""
    path = tmp_path / "runs" / "r" / "rank0"
    path.mkdir(parents=True)
    spec = {"run_id": "r", "node_rank": 0, "in_place": False, "work": f"{path}/work", "created_at_s": 1_000_000_000}
    files.write_json(str(path / "spec.json"), spec)
    return RankDir(str(path))


def test_sweep_removes_the_containers_of_the_rank_only(docker: FakeDocker, rank_dir: RankDir) -> None:
    """What mounts the work directory or the run directory goes; what mounts something beside it stays."""
    docker.add("mine", **mount(rank_dir.work))
    docker.add("mine-too", Mounts=[{"Source": rank_dir.path}])
    docker.add("other-rank", **mount(rank_dir.path + "1/work"))
    docker.add("parent", **mount(str(Path(rank_dir.path).parent)))
    docker.add("volume", Mounts=[{"Type": "volume", "Name": "data"}], HostConfig={"Binds": None}, Config=None)
    assert containers.sweep(rank_dir) == (["mine", "mine-too"], [])
    assert docker.names() == ["other-rank", "parent", "volume"]


def test_sweep_finds_a_run_directory_behind_a_link(docker: FakeDocker, rank_dir: RankDir, tmp_path: Path) -> None:
    """The state directory may be a link; docker names the place itself."""
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    docker.add("mine", **mount(rank_dir.work))
    assert containers.sweep(RankDir(str(tmp_path / "link" / "r" / "rank0"))) == (["mine"], [])


def test_sweep_names_what_cannot_be_removed(docker: FakeDocker, rank_dir: RankDir) -> None:
    """With the reason that docker gave."""
    docker.add("mine", **mount(rank_dir.work))
    (docker.folder / "refuse").touch()
    left = ["mine (docker rm failed: cannot remove: device or resource busy)"]
    assert containers.sweep(rank_dir) == ([], left)


def test_sweep_does_not_wait_for_a_docker_that_hangs(
    docker: FakeDocker, rank_dir: RankDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call, with its children, is ended after a while, and what could not be looked at is said."""
    (docker.folder / "hang").touch()
    monkeypatch.setattr(containers, "_LIST_S", 0.3)
    began_s = time.monotonic()
    assert containers.sweep(rank_dir) == ([], ["docker: docker ps gave no answer in 0 s"])
    assert time.monotonic() - began_s < 3


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", []),
        ("permission denied while trying to connect to the Docker daemon socket", []),
        ("internal error", ["docker: docker ps failed: internal error"]),
    ],
    ids=["no-daemon", "no-right", "broken"],
)
def test_sweep_tells_no_docker_from_a_broken_one(
    docker: FakeDocker, rank_dir: RankDir, said: str, left: list[str]
) -> None:
    """A login that cannot reach docker has no containers there; any other failure is not taken for clean."""
    (docker.folder / "bin" / "docker").write_text(f"#!/bin/sh\necho '{said}' >&2; exit 1\n")
    assert containers.sweep(rank_dir) == ([], left)


def test_sweep_without_any_engine_finds_nothing(rank_dir: RankDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """No docker and no podman on PATH."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert containers.sweep(rank_dir) == ([], [])


RUN_ENV = ["MADLAUNCH_RUN_ID=r", "MADLAUNCH_NODE_RANK=0"]
CHECKOUT = mount("/home/ada/MAD")


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({**CHECKOUT, "Created": "2001-09-09T01:46:41.123456789Z"}, True),
        ({**CHECKOUT, "Created": "2001-09-09T03:46:41+02:00"}, True),
        ({**CHECKOUT, "Created": "2001-09-09T01:46:39.9Z"}, False),
        ({**CHECKOUT, "Created": "2001-09-09T03:46:39+02:00"}, False),
        (CHECKOUT, False),
        ({**CHECKOUT, "Config": {"Env": RUN_ENV}}, True),
        ({"Config": {"Env": RUN_ENV}}, True),
        ({**CHECKOUT, "Created": "2002-01-01T00:00:00Z", "Config": {"Env": ["MADLAUNCH_RUN_ID=other"]}}, False),
        ({**mount("/home/ada/MAD/scripts"), "Created": "2002-01-01T00:00:00Z"}, False),
    ],
    ids=[
        *("made-since", "made-since-other-zone", "older", "older-other-zone", "age-unknown"),
        *("marked", "marked-without-mount", "of-another-run", "mounts-a-part"),
    ],
)
def test_belongs_in_place_asks_for_more_than_the_mount(*, container: dict[str, Any], expected: bool) -> None:
    """Others may mount the checkout too: the run id decides, or the container must be younger than the run."""
    spec = {"run_id": "r", "node_rank": 0, "in_place": True, "work": "/home/ada/MAD", "created_at_s": 1_000_000_000}
    assert containers.belongs(container, RankDir("/state/runs/r/rank0"), spec) is expected


def test_killed_job_does_not_leave_its_container(docker: FakeDocker, node: Node) -> None:
    """The supervisor removes it when the job did not end well, without being asked by anybody."""
    run_id = node.start("trap '' INT TERM; echo up; sleep 300; sleep 301; sleep 302", timeout_s=0.5)
    docker.add("mine", **mount(str(node.rank_dir(run_id) / "work")))
    docker.add("other", **mount("/data"))
    status = node.follow_to_end(run_id)[1]
    assert (status["ended_by"], docker.names()) == ("timeout", ["other"])
    log = node.rank_dir(run_id) / "supervisor.log"
    assert log.read_text() == "containers removed: ['mine'], left: []\n"


def test_stop_removes_containers_and_says_so(docker: FakeDocker, node: Node) -> None:
    """Also those of a rank that has ended well long ago."""
    run_id = node.start("exit 0")
    wait_until(lambda: node.status(run_id)[0]["state"] == "ended")
    docker.add("mine", **mount(str(node.rank_dir(run_id) / "work")))
    answer = node.stop(run_id)
    assert (answer["containers_removed"], answer["containers_left"], answer["clean"]) == (["mine"], [], True)
    docker.add("mine", **mount(str(node.rank_dir(run_id) / "work")))
    (docker.folder / "refuse").touch()
    answer = node.stop(run_id)
    assert (answer["containers_removed"], answer["clean"]) == ([], False)
    assert answer["containers_left"] == ["mine (docker rm failed: cannot remove: device or resource busy)"]
