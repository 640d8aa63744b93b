# SPDX-License-Identifier: GPL-3.0-or-later
"""The surveys of the job templates: AWX takes them, and the roles take the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from madlaunch.settings_limits import CHECKS
from madlaunch.settings_table import TABLE
from tests.awx.survey_rules import OPTION_TYPES, faults

REPOSITORY = Path(__file__).resolve().parents[2]
SURVEYS: dict[str, Any] = yaml.safe_load((REPOSITORY / "awx/surveys.yml").read_text())
SPECS = yaml.safe_load((REPOSITORY / "roles/job/meta/argument_specs.yml").read_text())["argument_specs"]
ENTRIES = {"madlaunch_survey_launch": "main", "madlaunch_survey_check": "check", "madlaunch_survey_stop": "stop"}
QUESTIONS = [(survey, item) for survey, found in SURVEYS.items() for item in found["spec"]]
IDS = [f"{survey.removeprefix('madlaunch_survey_')}-{item['variable']}" for survey, item in QUESTIONS]
# The arguments of the first SSH runner that are no login and no list of nodes: those are prompts of a job template.
ASKED_OF_OLD = {
    "additional_args",
    "gloo_interface",
    "madengine_path",
    "master_addr",
    "master_port",
    "model",
    "nccl_interface",
    "shared_data_path",
    "timeout_s",
}


@pytest.mark.parametrize("name", ENTRIES)
def test_survey_when_judged_by_the_rules_of_awx_then_is_taken(name: str) -> None:
    """Every rule of AWX's API for a survey."""
    assert faults(SURVEYS[name]) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"type": "number"}, "type 'number'"),
        ({"default": 1}, "default"),
        ({"required": "yes"}, "required"),
        ({"choices": ["a"]}, "choices"),
        ({"type": "multiplechoice", "choices": ["a"], "default": "b"}, "default"),
        ({"type": "integer", "default": 9, "max": 8}, "default"),
        ({"hint": "x"}, "keys"),
    ],
    ids=["type", "default", "required", "choices", "choice", "limit", "key"],
)
def test_rules_when_a_question_breaks_one_then_name_it(change: dict[str, Any], fault: str) -> None:
    """The rules do refuse."""
    good = {"question_name": "A", "question_description": "", "variable": "a", "type": "text", "required": False}
    assert faults({"name": "", "description": "", "spec": [good]}) == []
    assert faults({"name": "", "description": "", "spec": [{**good, **change}]}) == [f"a: {fault}"]


@pytest.mark.parametrize(("survey", "item"), QUESTIONS, ids=IDS)
def test_question_when_answered_then_is_an_option_of_the_role(survey: str, item: dict[str, Any]) -> None:
    """Same name, a type that takes the answer, the same default, and no choice that the role does not have."""
    option = SPECS[ENTRIES[survey]]["options"][item["variable"]]
    assert option["type"] in OPTION_TYPES[item["type"]]
    if item["type"] == "multiselect":
        assert item["choices"] == list(CHECKS)
    elif "choices" in item:
        assert item["choices"] == option.get("choices", ["true", "false"])
    if "default" in item and not (item["default"] == "" and option["type"] in {"dict", "list"}):
        assert item["default"] == option["default"]
    # Only what the role itself demands may have to be typed in.
    assert item["required"] is False or "default" in item or option["required"] is True


def test_launch_survey_asks_for_every_argument_that_a_run_had_from_the_beginning() -> None:
    """What the first launcher took as arguments, AWX asks."""
    assert {item["variable"] for item in SURVEYS["madlaunch_survey_launch"]["spec"]} >= ASKED_OF_OLD


def test_launch_survey_when_compared_with_the_flags_then_leaves_out_only_what_has_no_place_in_awx() -> None:
    """A new flag is asked for too, or is named here."""
    settings = {one.variable_name for one in TABLE if one.scope in {"run", "host"}}
    asked = {item["variable"] for item in SURVEYS["madlaunch_survey_launch"]["spec"]}
    assert settings - asked == {
        "detach",  # a job that ends while its run goes on
        "fold",
        "in_place",
        "node_state_dir",  # of the hosts: a variable of the inventory
        "runner",
        "share_hosts",
    }
