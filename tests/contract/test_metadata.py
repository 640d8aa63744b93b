# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written in two places is the same in both."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import madlaunch

if TYPE_CHECKING:
    from pathlib import Path

ROLES = ["collect", "job", "preflight"]


def _pyproject(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


def _yaml(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    return yaml.safe_load(path.read_text())


def _requirements(path: Path) -> list[str]:
    """Return the lines of a requirements file that name a package."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "-r"))]


def test_version_when_read_from_collection_then_is_that_of_the_package(repository: Path) -> None:
    """The launcher and the collection are released together, under one version."""
    assert _yaml(repository / "galaxy.yml")["version"] == madlaunch.__version__


def test_requirements_when_read_from_both_files_then_are_the_same(repository: Path) -> None:
    """A clone (requirements.txt) and an installed package (pyproject.toml) get the same dependencies."""
    assert _requirements(repository / "requirements.txt") == _pyproject(repository)["project"]["dependencies"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_when_read_then_each_is_bounded_both_ways(repository: Path, name: str) -> None:
    """A release of a dependency that may break us is not installed unasked."""
    lines = _requirements(repository / name)
    assert [line for line in lines if not (">=" in line and ",<" in line)] == []


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_when_compared_with_argument_specs_then_are_the_same(repository: Path, role: str) -> None:
    """A default has one value, whether Ansible or its documentation is asked; an option without one is required."""
    folder = repository / "roles" / role
    defaults = _yaml(folder / "defaults" / "main.yml")
    specs = _yaml(folder / "meta" / "argument_specs.yml")["argument_specs"]
    told = {entry: _defaults(spec["options"]) for entry, spec in specs.items()}
    launching = {entry: found for entry, found in told.items() if entry in {"main", "check"}}
    assert launching == dict.fromkeys(launching, defaults)
    # An entry for a run that was started before has few of the options; the defaults of those it shares are the same.
    for found in told.values():
        assert {name: value for name, value in found.items() if name in defaults} == {
            name: defaults[name] for name in found if name in defaults
        }


def test_role_entries_when_listed_then_each_has_its_tasks_and_its_playbook(repository: Path) -> None:
    """What is documented can be called: as tasks_from, and as a playbook of that name (main is called launch)."""
    specs = _yaml(repository / "roles/job/meta/argument_specs.yml")["argument_specs"]
    tasks = {path.stem for path in (repository / "roles/job/tasks").glob("*.yml")}
    playbooks = {path.stem for path in (repository / "playbooks").glob("*.yml")}
    assert set(specs) - tasks == set()
    assert {"launch" if entry == "main" else entry for entry in specs} == playbooks


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {name: option["default"] for name, option in options.items() if "default" in option}


def test_roles_when_listed_then_all_are_tested_here(repository: Path) -> None:
    """A new role takes part in the comparison of defaults."""
    assert sorted(path.name for path in (repository / "roles").iterdir() if path.is_dir()) == ROLES


def test_action_group_when_compared_with_modules_then_names_each(repository: Path) -> None:
    """One entry in module_defaults reaches every module of the collection."""
    group = _yaml(repository / "meta" / "runtime.yml")["action_groups"]["launch"]
    assert sorted(group) == sorted(path.stem for path in (repository / "plugins" / "modules").glob("*.py"))


def test_actions_when_compared_with_modules_then_each_has_its_documentation(repository: Path) -> None:
    """An action plugin is documented by the module of its name, and no module is without its action."""
    actions = sorted(path.stem for path in (repository / "plugins" / "action").glob("*.py"))
    assert actions == sorted(path.stem for path in (repository / "plugins" / "modules").glob("*.py"))
