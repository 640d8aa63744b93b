# SPDX-License-Identifier: GPL-3.0-or-later
"""This repository as a project of AWX: what is offered to choose from, what is installed, what jobs run in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.awx import picker
from tests.awx.shape import tracked_files, update_project

REPOSITORY = Path(__file__).resolve().parents[2]
PLAYBOOKS = ["attach", "check", "collect", "launch", "list", "logs", "status", "stop"]


def test_awx_when_asked_for_playbooks_then_offers_ours_and_nothing_else() -> None:
    """Tests, scenarios, inventories and the play that sets AWX up are in no list of a job template."""
    assert picker.playbooks(REPOSITORY, tracked_files()) == [f"playbooks/{name}.yml" for name in PLAYBOOKS]


def test_awx_when_asked_for_inventories_then_offers_the_example_and_what_must_be_executable() -> None:
    """Not the launcher. Programs that test nodes run are executable, and so offered; nothing can be done about that."""
    programs = ["demo/bin/torchrun", "demo/madengine", "tests/cluster/bin/rocm-smi"]
    assert picker.inventories(REPOSITORY, tracked_files()) == sorted([*programs, "inventory/example.ini"])


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("- hosts: all\n", True),
        ("- name: x\n  hosts: all\n", True),
        ("- ansible.builtin.import_playbook: x.y.z\n", True),
        ("$ANSIBLE_VAULT;1.1;AES256\n", True),
        ('- name: x\n  "hosts": all\n', False),
        ("all:\n  children: {}\n", False),
    ],
    ids=["play", "named", "import", "vault", "quoted", "no-play"],
)
def test_picker_when_given_a_file_then_offers_it_as_awx_does(tmp_path: Path, text: str, *, offered: bool) -> None:
    """The rules of AWX, without which the two tests above would prove nothing."""
    (tmp_path / "x.yml").write_text(text)
    assert picker.playbooks(tmp_path, ["x.yml"]) == (["x.yml"] if offered else [])


def test_project_when_updated_then_the_repository_is_installed_as_the_collection(tmp_path: Path) -> None:
    """collections/requirements.yml names the repository itself, and nothing is downloaded."""
    project = update_project(tmp_path)
    installed = project.collections / "ansible_collections"
    assert [path.name for path in installed.glob("*/*") if path.is_dir() and "." not in path.parent.name] == [
        "multinode"
    ]
    found = {path.name for path in (installed / "madlaunch/multinode/playbooks").iterdir()}
    assert found == {f"{name}.yml" for name in PLAYBOOKS}


def test_execution_environment_when_created_then_has_what_a_launch_needs(tmp_path: Path) -> None:
    """ansible-builder takes the definition; the versions are those of the launcher's own requirements."""
    builder = shutil.which("ansible-builder")
    assert builder, "pip install -r requirements-dev.txt"
    definition = REPOSITORY / "execution-environment.yml"
    command = [builder, "create", "-f", str(definition), "-c", str(tmp_path), "--output-filename", "Containerfile"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, timeout=120)
    dependencies = yaml.safe_load(definition.read_text())["dependencies"]
    pins = {dependencies[name]["package_pip"] for name in ("ansible_core", "ansible_runner")}
    assert pins <= set((REPOSITORY / "requirements.txt").read_text().splitlines())
    made = (tmp_path / "Containerfile").read_text()
    assert all(pin in made for pin in pins)
    assert "openssh-clients" in (tmp_path / "_build" / "bindep.txt").read_text()
