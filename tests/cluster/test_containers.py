# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are containers: what podman is asked for, and what is left when it cannot do it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.containers import main

# Writes down what it was asked for, says an address, and fails where it is told to.
_PODMAN = """#!/bin/sh
echo "$*" >>"$0.log"
echo 198.51.100.7
case " $* " in *" {fails} "*) echo no such thing here >&2; exit 125 ;; esac
"""


def _podman(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str = "never") -> Path:
    """Put a podman of our own on the PATH; return where it writes down its calls."""
    program = folder / "bin/podman"
    program.parent.mkdir()
    program.write_text(_PODMAN.format(fails=fails))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program.with_name("podman.log")


@pytest.mark.parametrize(("fails", "code"), [("never", 0), ("run", 1)])
def test_works_when_podman_was_tried_then_says_whether_a_container_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, code: int
) -> None:
    """To have the program is not enough."""
    _podman(tmp_path, monkeypatch, fails)
    assert main(["works"]) == code


def test_works_when_there_is_no_podman_then_says_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on most machines."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["works"]) == 1


def test_up_when_podman_works_then_two_nodes_are_in_the_inventory_until_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their names, which the connection takes; rank 0 has the address that podman gave it."""
    log = _podman(tmp_path, monkeypatch)
    nodes = tmp_path / "nodes"
    assert [main([command, "--dir", str(nodes)]) for command in ("up", "inventory")] == [0, 0]
    training = json.loads(capsys.readouterr().out)["training"]
    names = list(training["hosts"])
    assert (len(names), training["vars"]["master_addr"]) == (2, "198.51.100.7")
    assert {host["ansible_connection"] for host in training["hosts"].values()} == {"containers.podman.podman"}
    assert sorted(path.name for path in nodes.glob("mad-*/root/root/MAD")) == ["MAD", "MAD"]
    assert main(["down", "--dir", str(nodes)]) == 0
    removed = [line.split()[-1] for line in log.read_text().splitlines() if " rm " in line]
    assert (removed, nodes.exists()) == (names, False)


def test_up_when_podman_cannot_start_a_node_then_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it has said itself."""
    _podman(tmp_path, monkeypatch, fails="run")
    assert main(["up", "--dir", str(tmp_path / "nodes")]) == 1
    assert "no such thing here" in capsys.readouterr().err
    assert not (tmp_path / "nodes").exists()
