# SPDX-License-Identifier: GPL-3.0-or-later
"""What the launcher, the roles, the documents and the matrix each say of the same thing."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import madlaunch
from madlaunch.settings_table import CONFIG, ENV_FILE, NODE_STATE_DIR, OUTPUT, TABLE, VERBOSE
from madlaunch.settings_verbs import KNOWN, REACH, settings_of
from tests.contract.test_interface import role_options
from tests.launcher.settling import settle
from tests.matrix.pythons import OLDEST
from tests.matrix.test_core import OLDEST_OF_THE_LAUNCHER

if TYPE_CHECKING:
    from pathlib import Path

    from madlaunch.request import Mode
    from madlaunch.settings_model import Setting

SENT = [setting for setting in TABLE if setting.scope in {"run", "host"}]
JSON_TYPES = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}


def _value(setting: Setting[Any]) -> Any:  # noqa: ANN401 - of the type that is tested
    """Return what the launcher sends when nothing is given."""
    value = settle()[setting]
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("setting", SENT, ids=[setting.name for setting in SENT])
def test_variable_when_nothing_is_given_then_has_type_and_default_of_the_role(
    repository: Path, setting: Setting[Any]
) -> None:
    """Without an inventory of the user the launcher sends its defaults: they are those of the role."""
    option = role_options(repository)[setting.variable_name]
    assert type(_value(setting)) is JSON_TYPES[option["type"]]
    if setting.name != "model":  # required: it has no default
        assert _value(setting) == option["default"]


def test_choices_when_listed_then_the_launcher_takes_the_same_words(repository: Path) -> None:
    """A word that one side takes is not refused by the other, and a word that neither knows is refused by both."""
    options = {name: option for name, option in role_options(repository).items() if "choices" in option}
    settings = {setting.variable_name: setting for setting in SENT}
    assert sorted(options) == ["madengine_version", "on_failure"]
    for name, option in options.items():
        parser = settings[name].parser
        assert [parser.parse((choice,)) for choice in option["choices"]] == option["choices"]
        with pytest.raises(ValueError):  # noqa: PT011 - the message is tested with the parsers
            parser.parse(("neither",))


@pytest.mark.parametrize("verb", KNOWN)
def test_verb_when_its_flags_are_listed_then_they_are_the_options_of_its_role_entry(
    repository: Path, verb: Mode
) -> None:
    """What `launcher.py stop` can be told, the playbook `stop` can be told too, and nothing else."""
    names = {ENV_FILE.name: "container_env_secret"}
    own = [row for row in settings_of(verb) if row not in {*REACH, CONFIG, OUTPUT, VERBOSE} or row is NODE_STATE_DIR]
    specs = yaml.safe_load((repository / "roles/job/meta/argument_specs.yml").read_text())["argument_specs"]
    # With --log-dir the launcher names the folder of all runs, as runs_dir: which run it is shows only on the nodes.
    options = set(specs[verb]["options"]) - {"runs_dir"}
    assert {names.get(row.name, row.variable_name) for row in own} == options


def _readme_defaults(repository: Path) -> dict[str, str]:
    """Return the cell beside each flag in the README's tables."""
    rows = re.findall(r"^\| (.*?`--[a-z-]+`) \| (.*?) ?\| ", (repository / "README.md").read_text(), flags=re.MULTILINE)
    return {re.findall(r"--[a-z-]+", cell)[-1]: default for cell, default in rows}


@pytest.mark.parametrize("setting", SENT, ids=[setting.name for setting in SENT])
def test_readme_when_it_tells_a_default_then_it_is_that_of_the_role(repository: Path, setting: Setting[Any]) -> None:
    """A default that is not empty is in the table; what stands there as code is the default."""
    default = role_options(repository)[setting.variable_name].get("default")
    cell = _readme_defaults(repository)[setting.flag]
    empty = default in ("", {}, [], None) or default is False
    # A folder's default is made by the launcher, and told in words of its own.
    if setting.name in {"log_dir", "node_state_dir"}:
        assert cell.startswith("`~/.local/state/madlaunch")
    elif "`" in cell or not empty:
        assert cell == f"`{default}`"


def test_changelog_when_there_are_releases_then_the_newest_is_this_version(repository: Path) -> None:
    """A release is made in the package, in galaxy.yml (see test_metadata) and in the changelog."""
    releases = yaml.safe_load((repository / "changelogs/changelog.yaml").read_text())["releases"]
    versions = [tuple(int(part) for part in name.split(".")) for name in releases]
    this = tuple(int(part) for part in madlaunch.__version__.split("."))
    assert max(versions, default=this) == this


def _cores(repository: Path) -> list[str]:
    """Return the versions of ansible-core that the matrix tries."""
    text = (repository / "scripts/matrix.sh").read_text()
    line = re.search(r"^cores=\((.*)\)$", text, flags=re.MULTILINE)
    assert line is not None
    return re.findall(r'"([\w.]+):', line[1])


def test_matrix_when_read_then_it_has_every_supported_core(repository: Path) -> None:
    """From what meta/runtime.yml asks for to what the launcher is limited to, and the newest there is."""
    oldest = yaml.safe_load((repository / "meta/runtime.yml").read_text())["requires_ansible"]
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    core = next(line for line in project["dependencies"] if line.startswith("ansible-core"))
    first, below = int(re.findall(r"2\.(\d+)", oldest)[0]), int(re.findall(r"<2\.(\d+)", core)[0])
    # The newest is the one below the limit; all others are named.
    assert _cores(repository) == [*(f"2.{minor}" for minor in range(first, below - 1)), "newest"]
    assert f">=2.{OLDEST_OF_THE_LAUNCHER[1]}," in core
    assert f"It needs ansible-core 2.{first} or newer" in re.sub(r"\s+", " ", (repository / "README.md").read_text())


def test_oldest_python_of_nodes_when_compared_then_is_the_same_everywhere(repository: Path) -> None:
    """The README, what ruff checks the node's files for, and the oldest that the matrix looks for."""
    assert f"Python 3.{OLDEST} or newer" in (repository / "README.md").read_text()
    targets = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["ruff"]["per-file-target-version"]
    assert targets["plugins/module_utils/**"] == f"py3{OLDEST}"
