# SPDX-License-Identifier: GPL-3.0-or-later
"""One interface for three doors: flags, variables, role options and the README say the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from madlaunch.settings_limits import CHECKS
from madlaunch.settings_table import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from madlaunch.settings_model import Setting

SENT = [setting for setting in TABLE if setting.scope in {"run", "host"}]


def role_options(repository: Path) -> dict[str, Any]:
    """Return the options of role job."""
    specs = yaml.safe_load((repository / "roles/job/meta/argument_specs.yml").read_text())
    return dict(specs["argument_specs"]["main"]["options"])


FLAGS = [setting for setting in TABLE if not setting.positional]


@pytest.mark.parametrize("setting", FLAGS, ids=[setting.name for setting in FLAGS])
def test_readme_has_every_flag(repository: Path, setting: Setting[Any]) -> None:
    """A flag that the README does not name is a flag that nobody finds."""
    assert re.search(rf"(?<![\w-]){setting.flag}(?![\w-])", (repository / "README.md").read_text())


@pytest.mark.parametrize("setting", SENT, ids=[setting.name for setting in SENT])
def test_variable_of_the_launcher_is_an_option_of_the_role(repository: Path, setting: Setting[Any]) -> None:
    """What the launcher sends, the playbook knows, under one name."""
    assert setting.variable_name in role_options(repository)


def test_checks_have_the_same_names_on_both_sides() -> None:
    """The launcher refuses an unknown check at its edge; the collection knows which there are."""
    from ansible_collections.madlaunch.multinode.plugins.module_utils import _findings

    assert sorted(CHECKS) == sorted(_findings.CHECKS)


def test_defaults_of_the_role_are_those_of_its_argument_spec(repository: Path) -> None:
    """Ansible shows the one and uses the other."""
    defaults = yaml.safe_load((repository / "roles/job/defaults/main.yml").read_text())
    documented = {name: option["default"] for name, option in role_options(repository).items() if "default" in option}
    assert documented == defaults
