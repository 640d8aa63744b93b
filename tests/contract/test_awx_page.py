# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/awx.md says what awx/ holds and what the collection does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.madlaunch.multinode.plugins.module_utils import _awx, _retyped

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/awx.md").read_text()
IMPORT: dict[str, Any] = json.loads((REPOSITORY / "awx/import.json").read_text())
VARIABLES: dict[str, Any] = yaml.safe_load((REPOSITORY / "awx/vars.yml").read_text())
SURVEYS: dict[str, Any] = yaml.safe_load((REPOSITORY / "awx/surveys.yml").read_text())
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


def _tables() -> list[list[list[str]]]:
    """Return the rows of each table, without its head."""
    found = re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split(" |")] for row in text.splitlines()[2:]] for text in found]


TEMPLATES, SURVEY, _REFUSED, SECRETS = _tables()


def test_page_when_it_lists_the_survey_then_has_every_question_with_its_default() -> None:
    """In the order in which AWX asks."""
    expected = []
    for item in SURVEYS["madlaunch_survey_launch"]["spec"]:
        default = {None: "required", "": ""}.get(item.get("default"), f"`{item.get('default')}`")
        expected.append([item["question_name"], f"`{item['variable']}`", default])
    assert expected == SURVEY


def test_page_when_it_lists_the_templates_then_names_them_and_their_playbooks() -> None:
    """And the workflow below the table."""
    made = [[f"`{one['name']}`", f"`{one['playbook']}`"] for one in IMPORT["job_templates"]]
    assert [row[:2] for row in TEMPLATES] == made
    assert [f"`{one['name']}`" in PAGE for one in IMPORT["workflow_job_templates"]] == [True]


def test_page_when_it_lists_the_credential_types_then_names_what_the_containers_get() -> None:
    """By the injectors of the types."""
    expected = {}
    for one in IMPORT["credential_types"]:
        (injected,) = one["injectors"]["extra_vars"].values()
        expected[f"`{one['name']}`"] = [f"`{name}`" for name in injected]
    assert {row[0]: re.findall(r"`[^`]+`", row[1]) for row in SECRETS} == expected


def test_page_when_it_names_the_mark_of_a_text_then_it_is_that_of_the_code_and_of_the_injectors() -> None:
    """Before every value that a credential type injects, or it would be taken for a number."""
    values = [
        value
        for one in IMPORT["credential_types"]
        for variables in one["injectors"]["extra_vars"].values()
        for value in variables.values()
    ]
    assert [value for value in values if not value.startswith(_retyped.MARK + "{{ ")] == []
    assert (len(values), f"`{_retyped.MARK}`" in PAGE, f"`{_retyped.MARK}0755`" in PAGE) == (5, True, True)


def test_page_when_it_names_run_ids_then_they_are_what_jobs_get() -> None:
    """Of a job alone, and of one in a workflow."""
    alone, inside = _awx.Job("57"), _awx.Job("57", "a", "12", "b")
    assert f"The run of job 57 is `{alone.run_id}`; that of job 57 in workflow job 12 is `{inside.run_id}`." in PAGE


def test_page_when_it_names_limits_then_they_are_those_of_the_code() -> None:
    """The lease that is asked, the size of an event, the forks of the project."""
    lease = next(item for item in SURVEYS["madlaunch_survey_launch"]["spec"] if item["variable"] == "lease_s")
    assert f"for the **Lease** ({lease['default']} seconds)" in PAGE
    assert f"portions of at most {_awx.EVENT_LIMIT_CHARACTERS} characters" in PAGE
    assert "forks = 100" in (REPOSITORY / "ansible.cfg").read_text()


def test_commands_when_they_give_variables_then_awx_vars_has_them() -> None:
    """A variable that is not there would be ignored."""
    words = [word for command in COMMANDS for word in command] + re.findall(r'\{"(madlaunch_\w+)"', PAGE)
    given = {match[0] for word in words if (match := re.match(r"madlaunch_[a-z_]+(?==|$)", word))}
    assert given == {"madlaunch_project_url", "madlaunch_image", "madlaunch_credentials", "madlaunch_left_out"}
    assert given <= set(VARIABLES)


def test_commands_when_they_name_the_image_then_it_is_one_and_not_the_example_that_is_refused() -> None:
    """What is built is what is pushed, and what AWX is told."""
    words = [word for command in COMMANDS for word in command]
    images = {word.removeprefix("madlaunch_image=") for word in words if "madlaunch-ee" in word}
    urls = {word.partition("=")[2] for word in words if word.startswith("madlaunch_project_url=")}
    assert (len(images), len(urls)) == (1, 1), images | urls
    assert (images | urls) & {VARIABLES["madlaunch_image"], VARIABLES["madlaunch_project_url"]} == set()


def test_commands_when_they_name_files_then_those_are_there() -> None:
    """Playbooks, scripts and definitions; what the commands make themselves is not."""
    names = {word for command in COMMANDS for word in command if re.fullmatch(r"[\w./-]+\.(yml|py|json)", word)}
    made = {command[command.index(">") + 1] for command in COMMANDS if ">" in command}
    assert names - made == {"awx/setup.yml", "execution-environment.yml", "scripts/awx_import.py"}
    assert [name for name in names - made if not (REPOSITORY / name).exists()] == []


def test_command_that_makes_an_import_file_when_run_then_puts_the_addresses_in() -> None:
    """As the page has it, but for where its output goes."""
    (command,) = [words for words in COMMANDS if words[:2] == ["python", "scripts/awx_import.py"]]
    words = [sys.executable, *command[1 : command.index(">")]]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    made = json.loads(done.stdout)
    assert made["projects"][0]["scm_url"] == "https://git.example.com/team/madlaunch.git"
    assert made["execution_environments"][0]["image"] == "registry.example.com/team/madlaunch-ee:latest"


@pytest.mark.parametrize("name", ["fold", "share_hosts", "in_place", "detach", "runner", "node_state_dir"])
def test_variables_that_the_page_calls_not_asked_then_are_not(name: str) -> None:
    """And the role has them."""
    asked = {item["variable"] for item in SURVEYS["madlaunch_survey_launch"]["spec"]}
    defaults = yaml.safe_load((REPOSITORY / "roles/job/defaults/main.yml").read_text())
    assert (name in asked, name in defaults, f"`{name}`" in PAGE) == (False, True, True)
