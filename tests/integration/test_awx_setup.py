# SPDX-License-Identifier: GPL-3.0-or-later
"""awx/setup.yml with the modules of collection awx.awx, against as much of an AWX as they need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.awx.fake_api import Awx, served
from tests.integration.launching import REPOSITORY, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

URL = "https://git.example.com/team/madlaunch.git"
IMAGE = "registry.example.com/team/madlaunch-ee:latest"
WORKFLOW = "madlaunch launch and clean up"


@pytest.fixture(scope="module")
def awx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Awx]:
    """An AWX that was set up by the play."""
    with served() as made:
        done = _set_up(made, tmp_path_factory.mktemp("setup"), URL, IMAGE)
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def _set_up(awx: Awx, home: Path, url: str, image: str) -> subprocess.CompletedProcess[str]:
    """Run the play with the words of docs/awx.md."""
    words = [
        "ansible-playbook",
        "awx/setup.yml",
        "-e",
        f"madlaunch_project_url={url}",
        "-e",
        f"madlaunch_image={image}",
    ]
    env = environment(home, CONTROLLER_HOST=awx.url, CONTROLLER_OAUTH_TOKEN="t", ANSIBLE_NOCOLOR="1", HOME=str(home))
    env["ANSIBLE_COLLECTIONS_PATH"] = str(Path(sys.prefix) / "awx")
    return subprocess.run(words, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False, timeout=200)


def test_awx_when_set_up_then_has_what_the_page_says(awx: Awx) -> None:
    """One of each, with the addresses that were given, and the playbooks and surveys of the templates."""
    surveys: dict[str, Any] = yaml.safe_load((REPOSITORY / "awx/surveys.yml").read_text())
    assert awx.named("projects")["madlaunch"]["scm_url"] == URL
    assert awx.named("execution_environments")["madlaunch"]["image"] == IMAGE
    assert set(awx.named("inventories")) == {"GPU hosts"}
    assert set(awx.named("credential_types")) == {"madlaunch Hugging Face token", "madlaunch registry login"}
    assert {name: one["playbook"] for name, one in awx.named("job_templates").items()} == {
        f"madlaunch {name}": f"playbooks/{name}.yml" for name in ("launch", "check", "stop")
    }
    for name in ("launch", "check", "stop"):
        asked = awx.related_of("job_templates", f"madlaunch {name}", "survey_spec")
        assert asked == surveys[f"madlaunch_survey_{name}"]
    assert awx.related_of("workflow_job_templates", WORKFLOW, "survey_spec") == surveys["madlaunch_survey_launch"]


def test_awx_when_set_up_then_templates_of_awx_itself_are_left_as_they_are(awx: Awx) -> None:
    """What AWX is to fill in reaches it unfilled: the fields of a credential, and the secrets of a job."""
    token = awx.named("credential_types")["madlaunch Hugging Face token"]["injectors"]["extra_vars"]
    assert token == {
        "madlaunch_secret_huggingface": dict.fromkeys(("HF_TOKEN", "MAD_SECRETS_HFTOKEN"), "madlaunch_text:{{ token }}")
    }
    extra_vars = json.loads(awx.named("job_templates")["madlaunch launch"]["extra_vars"])
    assert extra_vars["container_env_secret"].startswith("{{ madlaunch_secret_huggingface | default({})")


def test_workflow_when_set_up_then_the_failure_of_the_launch_leads_to_the_stop(awx: Awx) -> None:
    """AWX takes the same way when the launch was canceled."""
    nodes, templates = awx.named("workflow_job_template_nodes"), awx.named("job_templates")
    used = {name: node["unified_job_template"] for name, node in nodes.items()}
    assert used == {name: templates[f"madlaunch {name}"]["id"] for name in ("launch", "stop")}
    leads_to = awx.related_of("workflow_job_template_nodes", "launch", "failure_nodes")
    assert leads_to == [{"id": nodes["stop"]["id"]}]


def test_play_when_repeated_then_changes_nothing(awx: Awx, tmp_path: Path) -> None:
    """So it can be run after every update of the project."""
    before = awx.writes
    done = _set_up(awx, tmp_path, URL, IMAGE)
    assert (done.returncode, awx.writes - before) == (0, 0), done.stdout


def test_play_when_given_no_addresses_then_refuses_those_of_the_examples(awx: Awx, tmp_path: Path) -> None:
    """A project that cannot be cloned would be found out only at the first launch."""
    before = awx.writes
    done = _set_up(awx, tmp_path, "https://git.example.com/madlaunch.git", "registry.example.com/madlaunch-ee:latest")
    assert (done.returncode, awx.writes - before) == (2, 0)
    assert "Give madlaunch_project_url and madlaunch_image" in done.stdout
