# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the script of a rank: the command from the plan, laid out by the role's Jinja template.

Private to the collection. Plain Jinja2 and not Ansible's templating, so that no value is ever taken for a template
(docs/adr/0003).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.madlaunch.multinode.plugins.module_utils import _command

TEMPLATE = "run.sh.j2"


@dataclass(frozen=True)
class RankScript:
    """What a rank runs: the text of run.sh, the files beside it, and the command line as people may see it."""

    text: str
    files: dict[str, str]
    shown: str
    unresolved: tuple[str, ...]


@dataclass(frozen=True)
class RankInput:
    """What a script is made of: the plan, the host's name and settings, and what the preflight found of it."""

    plan: dict[str, Any]
    name: str
    settings: dict[str, Any]
    resolved: dict[str, Any]
    secret: dict[str, Any]

    def host(self) -> dict[str, Any]:
        """Return the host's part of the plan, complete."""
        found = {
            key: self.resolved[key]
            for key in ("nproc_per_node", "nccl_interface", "gloo_interface")
            if key in self.resolved
        }
        return {**self.settings, **self.plan["hosts"][self.name], **found, "host": self.name}

    def full_plan(self) -> dict[str, Any]:
        """Return the plan with the secret values of the container environment put back in."""
        return with_secrets(self.plan, self.secret)


def with_secrets(plan: dict[str, Any], secret: dict[str, Any]) -> dict[str, Any]:
    """Return the plan whose `container_env` also has the secret variables."""
    values = {str(name): str(value) for name, value in secret.items()}
    return {**plan, "container_env": {**plan["container_env"], **values}}


def of_rank(rank: RankInput, major: int, template: Path) -> RankScript:
    """Return what the rank runs under this major version of madengine. Raises `_command.CommandError`."""
    command = _command.build(rank.full_plan(), rank.host(), major)
    return _laid_out(rank, command, template)


def for_show(rank: RankInput, major: int, template: Path) -> RankScript:
    """Return the same with the secret values masked, and the files beside the script as text for people."""
    command = _command.masked(_command.build(rank.full_plan(), rank.host(), major), rank.plan["secret_names"])
    return _laid_out(rank, command, template)


def _laid_out(rank: RankInput, command: _command.Command, template: Path) -> RankScript:
    plan, host = rank.plan, rank.host()
    facts = {name: plan[name] for name in ("run_id", "nnodes")}
    facts.update(node_rank=host["node_rank"], host=rank.name, work_dir=host["mad_dir"] if plan["in_place"] else "")
    text = render(template, {"script": _command.script(command, facts)})
    shown = _command.display(command, plan["secret_names"])
    return RankScript(text, dict(command.files), shown, tuple(command.unresolved))


def render(template: Path, values: dict[str, Any]) -> str:
    """Return the script that `template` makes of `values`; a name that is missing is an error."""
    environment = jinja2.Environment(  # noqa: S701 - the output is a shell script, every value goes through quote
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["quote"] = quote
    return environment.from_string(template.read_text(encoding="utf-8")).render(**values)


def quote(value: object) -> str:
    """Quote one value for `sh`, as Ansible's filter of that name does."""
    return shlex.quote(str(value))
