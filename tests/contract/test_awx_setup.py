# SPDX-License-Identifier: GPL-3.0-or-later
"""What awx/setup.yml makes in AWX: modules that exist, arguments that they take, playbooks that are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from tests.awx import picker
from tests.awx.shape import tracked_files
from tests.awx.survey_rules import faults

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "awx_import.py"
Calls = list[tuple[str, dict[str, Any]]]


def _printed(*words: str) -> Any:  # noqa: ANN401 - whatever it prints
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def calls() -> Calls:
    """The modules that the play calls, with the arguments that they get."""
    return [(kind, arguments) for kind, arguments in _printed("--tasks")]


@pytest.fixture(scope="module")
def specs() -> dict[str, Any]:
    """The options of the modules of awx.awx, as the collection itself documents them."""
    folder = Path(sys.prefix) / "awx"
    if not (folder / "ansible_collections/awx/awx/MANIFEST.json").exists():
        pytest.fail(f"the collection awx.awx is not in {folder}; bash test.sh fetches it")
    names = sorted({f"awx.awx.{kind}" for kind, _arguments in _printed("--tasks")})
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder)}
    done = subprocess.run(["ansible-doc", "-j", *names], env=env, capture_output=True, text=True, check=True)
    return {
        name.removeprefix("awx.awx."): _spec(doc["doc"]["options"]) for name, doc in json.loads(done.stdout).items()
    }


def _spec(options: dict[str, Any]) -> dict[str, Any]:
    """Return a documentation as the argument spec of a module."""
    kept = ("type", "elements", "required", "choices", "aliases")
    return {name: {key: option[key] for key in kept if key in option} for name, option in options.items()}


def _errors(specs: dict[str, Any], kind: str, arguments: dict[str, Any]) -> list[str]:
    validator = ArgumentSpecValidator(specs[kind])  # type: ignore[no-untyped-call]
    return list(validator.validate(arguments).error_messages)  # type: ignore[no-untyped-call]


def test_play_when_its_arguments_are_checked_then_the_modules_take_them(specs: dict[str, Any], calls: Calls) -> None:
    """By the options that collection awx.awx documents."""
    assert {kind for kind, _arguments in calls} == set(specs)
    wrong = {(kind, arguments.get("name")): _errors(specs, kind, arguments) for kind, arguments in calls}
    assert {call: errors for call, errors in wrong.items() if errors} == {}


@pytest.mark.parametrize("change", [{"ask_limits_on_launch": True}, {"job_type": "dry"}, {"forks": "many"}])
def test_check_of_arguments_when_one_is_wrong_then_tells(
    specs: dict[str, Any], calls: Calls, change: dict[str, Any]
) -> None:
    """A name that does not exist, a value that is no choice, a type that does not fit."""
    template = next(arguments for kind, arguments in calls if kind == "job_template")
    assert len(_errors(specs, "job_template", {**template, **change})) == 1


def test_import_file_when_compared_with_the_play_then_holds_the_same() -> None:
    """awx/import.json is what `python scripts/awx_import.py` prints."""
    assert json.loads((REPOSITORY / "awx/import.json").read_text()) == _printed()


def test_templates_when_listed_then_run_playbooks_that_awx_offers(calls: Calls) -> None:
    """AWX refuses a template whose playbook is not in its list."""
    offered = picker.playbooks(REPOSITORY, tracked_files())
    used = {arguments["name"]: arguments["playbook"] for kind, arguments in calls if kind == "job_template"}
    assert used == {f"madlaunch {name}": f"playbooks/{name}.yml" for name in ("launch", "check", "stop")}
    assert set(used.values()) <= set(offered)


def test_templates_when_listed_then_none_is_sliced_and_none_has_the_name_of_the_workflow(calls: Calls) -> None:
    """A slice has a part of the hosts; a workflow with the name of its template looks like one."""
    templates = [arguments for kind, arguments in calls if kind == "job_template"]
    sliced = [(one["job_slice_count"], one["ask_job_slice_count_on_launch"]) for one in templates]
    assert sliced == [(1, False)] * 3
    (workflow,) = [arguments for kind, arguments in calls if kind == "workflow_job_template"]
    assert workflow["name"] not in {one["name"] for one in templates}


def test_workflow_when_the_launch_fails_or_is_canceled_then_stops_the_run(calls: Calls) -> None:
    """AWX takes the way of a failure for both."""
    nodes = {arguments["identifier"]: arguments for kind, arguments in calls if kind == "workflow_job_template_node"}
    assert {name: node["unified_job_template"] for name, node in nodes.items()} == {
        "stop": "madlaunch stop",
        "launch": "madlaunch launch",
    }
    assert (nodes["launch"]["failure_nodes"], "failure_nodes" in nodes["stop"]) == (["stop"], False)


def test_questions_that_are_left_out_then_are_in_no_survey(tmp_path: Path) -> None:
    """For hosts with interfaces of their own: then their variables decide."""
    del tmp_path
    found = _printed()["job_templates"][0]["related"]["survey_spec"]
    assert "nccl_interface" in {item["variable"] for item in found["spec"]}
    script = "import json, sys; sys.path.insert(0, sys.argv[1]); import awx_import; "
    script += "print(json.dumps(awx_import.tasks({'madlaunch_left_out': ['nccl_interface']})))"
    command = [sys.executable, "-c", script, str(SCRIPT.parent)]
    made = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    surveys = [arguments["survey_spec"] for _kind, arguments in made if "survey_spec" in arguments]
    assert [faults(survey) for survey in surveys] == [[]] * 4
    assert {item["variable"] for survey in surveys for item in survey["spec"]}.isdisjoint({"nccl_interface"})
