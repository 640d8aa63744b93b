# SPDX-License-Identifier: GPL-3.0-or-later
"""Settled settings to the playbook's variables: the launcher's half of the interface (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from madlaunch.settings_table import ENV

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from madlaunch.secrets import Secret
    from madlaunch.settings_model import Settings

_UNSAFE_KEY = "__ansible_unsafe"
"""How Ansible's JSON says that a text is no template (ansible.module_utils.common.json, legacy profile)."""


@dataclass(frozen=True)
class Variables:
    """The variables of one launch, by the scope in which Ansible gets them."""

    run: dict[str, Any]
    """The same for all hosts: extra variables."""
    host: dict[str, Any]
    """Variables of the group ``all``, which a host may override."""


@dataclass(frozen=True)
class RunPlace:
    """What the launcher decides for this run itself."""

    run_id: str
    log_dir: Path


def build_variables(
    settings: Settings, place: RunPlace, container_env_secret: Mapping[str, Secret], *, foreign_inventory: bool
) -> Variables:
    """Return the variables of a launch.

    With the user's own inventory (``foreign_inventory``) only what was given is passed on, because an extra variable
    beats every inventory: a default of the launcher must not hide what that inventory says.

    A variable of ``--env`` beats the one of the same name in ``--env-file``, as in docker.
    """
    run = settings.of_scope("run", only_given=foreign_inventory)
    run |= {"run_id": place.run_id, "log_dir": str(place.log_dir)}
    plain = settings[ENV]
    hidden = {name: secret.reveal() for name, secret in container_env_secret.items() if name not in plain}
    if hidden or not foreign_inventory:
        run["container_env_secret"] = hidden
    run = {name: list(value) if isinstance(value, tuple) else value for name, value in run.items()}
    return Variables(run, settings.of_scope("host", only_given=foreign_inventory))


def unsafe(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, any JSON value out
    """Return a JSON value in which every string is marked as: not a template, keep it a string.

    Without the mark Ansible would run ``{{ 7*7 }}`` in an inventory file. Write the result as JSON and hand it to
    ``ansible-playbook`` as an inventory file or as ``-e @file``.
    """
    if isinstance(value, str):
        return {_UNSAFE_KEY: value}
    if isinstance(value, dict):
        return {name: unsafe(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unsafe(item) for item in value]
    return value
