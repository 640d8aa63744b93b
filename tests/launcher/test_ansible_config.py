# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher's own configuration of Ansible stands back behind any that the user has."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from madlaunch.ansible_config import own_config

if TYPE_CHECKING:
    from pathlib import Path


def test_config_when_the_user_has_none_then_ansible_takes_ours(tmp_path: Path) -> None:
    """The real ansible-config says what it makes of the file."""
    variables = own_config(tmp_path, {}, usual=(str(tmp_path / "none"),))
    assert variables == {"ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    dumped = subprocess.run(
        ["ansible-config", "dump", "--only-changed", "--format", "json", "-c", variables["ANSIBLE_CONFIG"]],
        capture_output=True,
        text=True,
        check=True,
    )
    changed = {entry["name"]: entry["value"] for entry in json.loads(dumped.stdout) if "name" in entry}
    assert changed["DEFAULT_INTERNAL_POLL_INTERVAL"] == 0.04


def test_config_when_the_user_names_one_then_it_stays(tmp_path: Path) -> None:
    """Where collections are and how secrets open is in there."""
    assert own_config(tmp_path, {"ANSIBLE_CONFIG": "/etc/mine.cfg"}, usual=()) == {}
    assert list(tmp_path.iterdir()) == []


def test_config_when_there_is_one_where_ansible_looks_then_it_stays(tmp_path: Path) -> None:
    """A file that we name would hide it."""
    usual = tmp_path / "usual.cfg"
    usual.touch()
    assert own_config(tmp_path, {}, usual=(str(usual),)) == {}
