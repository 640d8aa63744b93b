# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what awx/setup.yml makes as a document for `awx import`; with --tasks as the arguments of its modules.

Usage: python scripts/awx_import.py [--tasks] [NAME=VALUE ...] > awx/import.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import StrictUndefined
from jinja2.nativetypes import NativeEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable

AWX = Path(__file__).resolve().parent.parent / "awx"
# An argument that is left out, as Ansible's `omit`.
OMIT = object()


class Literal(str):
    """Text with the tag !unsafe, which Ansible does not render."""

    __slots__ = ()


class Loader(yaml.SafeLoader):
    """Reads playbooks."""


def literal(loader: Loader, node: yaml.ScalarNode) -> Literal:
    """Return the text of a node as it is."""
    return Literal(loader.construct_scalar(node))


Loader.add_constructor("!unsafe", literal)


def load(name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return what a file of awx/ holds."""
    return yaml.load((AWX / name).read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe loader


def rendered(value: Any, variables: dict[str, Any]) -> Any:  # noqa: ANN401 - any value in, any value out
    """Return a value with its templates filled in, without what is omitted."""
    if isinstance(value, dict):
        items = {name: rendered(item, variables) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not OMIT}
    if isinstance(value, list):
        return [rendered(item, variables) for item in value]
    if isinstance(value, str) and not isinstance(value, Literal) and "{{" in value:
        return NativeEnvironment(undefined=StrictUndefined).from_string(value).render(variables)
    return str(value) if isinstance(value, Literal) else value


def tasks(given: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Return name and arguments of each module of awx.awx that the play calls, in order."""
    (play,) = load("setup.yml")
    variables: dict[str, Any] = {"omit": OMIT}
    for name in play["vars_files"]:
        variables.update(load(name))
    variables.update(given)
    calls = [(key, value) for task in play["tasks"] for key, value in task.items() if key.startswith("awx.awx.")]
    return [(key.removeprefix("awx.awx."), rendered(value, variables)) for key, value in calls]


# --- the document of awx import ---------------------------------------------------------------------------------------


def organization(name: str) -> dict[str, Any]:
    """Return the natural key of an organization."""
    return {"name": name, "type": "organization"}


def key_of(kind: str, name: str, owner: str) -> dict[str, Any]:
    """Return the natural key of what belongs to an organization."""
    return {"organization": organization(owner), "name": name, "type": kind}


def node_key(identifier: str, workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the natural key of a node of a workflow."""
    return {"workflow_job_template": workflow, "identifier": identifier, "type": "workflow_job_template_node"}


def environment_asset(given: dict[str, Any]) -> dict[str, Any]:
    """Return an execution environment."""
    owner = organization(given["organization"])
    natural_key = {"name": given["name"], "type": "execution_environment"}
    return {**given, "organization": owner, "credential": None, "natural_key": natural_key}


def credential_type_asset(given: dict[str, Any]) -> dict[str, Any]:
    """Return a credential type."""
    return {**given, "natural_key": {"name": given["name"], "kind": given["kind"], "type": "credential_type"}}


def owned_asset(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what makes an asset of a kind that belongs to an organization and needs nothing else."""

    def asset(given: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in given.items() if name != "wait"}
        owner = given["organization"]
        return {**kept, "organization": organization(owner), "natural_key": key_of(kind, given["name"], owner)}

    return asset


def template_asset(given: dict[str, Any]) -> dict[str, Any]:
    """Return a job template; its credentials are not here, as their secrets cannot be."""
    owner = given["organization"]
    kept = {name: value for name, value in given.items() if name not in {"organization", "survey_spec", "credentials"}}
    return {
        **kept,
        "extra_vars": json.dumps(given["extra_vars"]) if "extra_vars" in given else "",
        "project": key_of("project", given["project"], owner),
        "inventory": key_of("inventory", given["inventory"], owner),
        "execution_environment": {"name": given["execution_environment"], "type": "execution_environment"},
        "related": {"survey_spec": given["survey_spec"]},
        "natural_key": key_of("job_template", given["name"], owner),
    }


def workflow_asset(given: dict[str, Any], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a workflow with its nodes."""
    owner = given["organization"]
    natural_key = key_of("workflow_job_template", given["name"], owner)
    kept = {name: value for name, value in given.items() if name != "survey_spec"}
    own = [node for node in nodes if node["workflow_job_template"] == given["name"]]
    return {
        **kept,
        "organization": organization(owner),
        "inventory": key_of("inventory", given["inventory"], owner),
        "related": {
            "survey_spec": given["survey_spec"],
            "workflow_nodes": [node_asset(one, natural_key) for one in own],
        },
        "natural_key": natural_key,
    }


def node_asset(given: dict[str, Any], workflow: dict[str, Any]) -> dict[str, Any]:
    """Return a node of a workflow."""
    failure_nodes = [node_key(name, workflow) for name in given.get("failure_nodes", [])]
    return {
        "identifier": given["identifier"],
        "unified_job_template": key_of("job_template", given["unified_job_template"], given["organization"]),
        "related": {"failure_nodes": failure_nodes} if failure_nodes else {},
        "natural_key": node_key(given["identifier"], workflow),
    }


def document(calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return all assets by the kind of resource."""
    nodes = [given for kind, given in calls if kind == "workflow_job_template_node"]
    makers: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
        "credential_type": ("credential_types", credential_type_asset),
        "execution_environment": ("execution_environments", environment_asset),
        "project": ("projects", owned_asset("project")),
        "inventory": ("inventory", owned_asset("inventory")),
        "job_template": ("job_templates", template_asset),
        "workflow_job_template": ("workflow_job_templates", lambda given: workflow_asset(given, nodes)),
    }
    found: dict[str, Any] = {plural: [] for plural, _make in makers.values()}
    for kind, given in calls:
        if kind in makers:
            plural, make = makers[kind]
            found[plural].append(make(given))
    return found


def main() -> None:
    """Print the document, or the arguments of the modules."""
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    calls = tasks(given)
    shown = calls if "--tasks" in sys.argv else document(calls)
    sys.stdout.write(json.dumps(shown, indent=2) + "\n")


if __name__ == "__main__":
    main()
