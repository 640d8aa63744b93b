# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch as AWX makes it: what arrives retyped, what is shown, what is handed on, what a canceled job leaves."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.awx import credentials, shape
from tests.awx.nodes import inventory
from tests.integration.running import check_nothing_left, kill_control_side, left_on, seconds_until, status_on
from tests.integration.three_doors import PLAYBOOK, core

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "awx_import.py"
# AWX has them in the order of the names as text; the ranks are in the order of the numbers.
NAMES = ["n10", "n2"]
LEASE_S = 10
TOKEN = "hf_" + "x" * 30
# Texts that ansible-core 2.19 and newer takes for numbers.
LOGIN = {"registry": "1.10", "username": "007", "password": "07550755075507"}

needs_retyping = pytest.mark.skipif(core() < (2, 19), reason="ansible-core before 2.19 leaves answers as they are")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> shape.Project:
    """This repository after the update of a project."""
    return shape.update_project(tmp_path_factory.mktemp("awx"))


def _made(wanted: str, name: str) -> dict[str, Any]:
    """Return the arguments of what awx/setup.yml makes under a name."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--tasks"], capture_output=True, text=True, check=True)
    calls: list[tuple[str, dict[str, Any]]] = json.loads(done.stdout)
    return next(one for kind, one in calls if kind == wanted and one["name"] == f"madlaunch {name}")


def _template(name: str) -> shape.Template:
    """Return a job template as awx/setup.yml makes it."""
    made = _made("job_template", name)
    return shape.Template(made["playbook"], made.get("extra_vars", {}))


def _given(cluster: Cluster, answers: dict[str, Any], **awx: object) -> shape.Given:
    return shape.Given(inventory(cluster, NAMES), answers, secrets.randbelow(10**9), awx=awx)


def _ended(cluster: Cluster, project: shape.Project, name: str, given: shape.Given) -> shape.Job:
    """Run a job to its end."""
    with shape.job(cluster, project, _template(name), given, _path()) as job:
        job.end()
    return job


def _path() -> str:
    return str(Path(PLAYBOOK).parent) if PLAYBOOK else ""


def test_job_with_blank_answers_and_credentials_then_trains_and_shows_rank_0_alone(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """Blank is blank, ranks go by number, the result is handed on.

    What credentials hold is in the containers as it was typed, and in no output.
    """
    blank = dict.fromkeys(("master_addr", "shared_data_path", "nccl_interface", "additional_args", "run_id"), "")
    held = credentials.injected(_made("credential_type", "Hugging Face token"), {"token": TOKEN})
    held |= credentials.injected(_made("credential_type", "registry login"), LOGIN)
    chosen = {"skip_checks": [], "madengine_version": "2", "container_env": "A=1\nB=two words"}
    given = _given(node_cluster, {"model": "demo_env", **blank, **chosen, **held})
    job = _ended(node_cluster, project, "launch", given)
    assert job.status == "successful", "\n".join(job.shown)
    assert {line.split("]")[0] for line in job.shown if line.startswith("[n")} == {"[n2:0"}
    assert max(len(text) for text in job.texts if text.startswith("[n2:0]")) <= 1024
    said = json.dumps(job.events)
    assert [secret for secret in (TOKEN, LOGIN["password"], str(int(LOGIN["password"], 8))) if secret in said] == []
    handed_on = job.artifacts["madlaunch"]
    assert [(rank["host"], rank["node_rank"]) for rank in handed_on["ranks"]] == [("n2", 0), ("n10", 1)]
    assert (handed_on["state"], handed_on["run_id"]) == ("ok", f"mad-{given.job_id}")
    seen = _container_environment(node_cluster, given.job_id)
    expected = {"A": "1", "B": "two words", "HF_TOKEN": TOKEN, "MAD_SECRETS_HFTOKEN": TOKEN}
    expected |= {"REGISTRY": "1.10", "REGISTRY_USER": "007", "REGISTRY_PASSWORD": LOGIN["password"]}
    assert {name: seen.get(name) for name in expected} == expected
    assert "NCCL_SOCKET_IFNAME" not in seen


def _container_environment(cluster: Cluster, job_id: int) -> dict[str, str]:
    """Return the environment that rank 0 saw, on the host n2."""
    log = cluster.nodes[1].home / f".local/state/madlaunch/runs/mad-{job_id}/rank0/log"
    between = log.read_text().split("DEMO_ENV_BEGIN\n")[1].split("\nDEMO_ENV_END")[0]
    return dict(json.loads(between))


def test_job_when_a_rank_fails_that_is_not_shown_then_its_last_lines_are(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """The log in the job's container is gone with it, so the job itself must tell why."""
    given = _given(node_cluster, {"model": "demo_fail", "grace_s": 2, "container_env": "DEMO_FAIL_AFTER_S=0"})
    job = _ended(node_cluster, project, "launch", given)
    assert job.status == "failed"
    text = json.dumps([event["event_data"] for event in job.events if event.get("event") == "runner_on_failed"])
    assert "the last lines of rank 1 on n10:" in text
    assert "[n10:1] demo_fail: node 1 ends with exit code 7" in text
    assert [rank["state"] for rank in job.artifacts["madlaunch"]["ranks"]] == ["stopped", "failed"]
    check_nothing_left(node_cluster)


@pytest.mark.parametrize("name", ["launch", "check", "stop"])
def test_job_when_the_inventory_has_no_host_then_fails_and_says_so(
    node_cluster: Cluster, project: shape.Project, name: str
) -> None:
    """Ansible skips plays without hosts and calls that a success, and so would AWX."""
    given = shape.Given({"all": {"hosts": []}, "_meta": {"hostvars": {}}}, {"model": "demo_sleep"})
    job = _ended(node_cluster, project, name, given)
    assert job.status == "failed"
    assert "No host of the inventory matches 'all'" in "\n".join(job.shown)


def test_job_when_the_limit_matches_no_host_then_fails(node_cluster: Cluster, project: shape.Project) -> None:
    """That is said by Ansible itself."""
    given = replace(_given(node_cluster, {"model": "demo_sleep"}), limit="nowhere")
    job = _ended(node_cluster, project, "stop", given)
    assert job.status == "failed"
    assert any("no hosts to target" in line for line in job.shown), job.shown


def test_job_of_type_check_then_shows_the_scripts_and_starts_nothing(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """The dry run, with the address of rank 0 in each script."""
    given = _given(node_cluster, {"model": "demo_sleep", "madengine_version": "2"})
    with shape.job(node_cluster, project, replace(_template("launch"), check=True), given, _path()) as job:
        job.end()
    assert job.status == "successful"
    shown = "\n".join(job.shown)
    assert [
        f"# Run mad-{given.job_id}: rank {rank} of 2, host {host}." in shown for rank, host in ((0, "n2"), (1, "n10"))
    ] == [
        True,
        True,
    ]
    assert not (node_cluster.nodes[0].home / f".local/state/madlaunch/runs/mad-{given.job_id}").exists()


def _dry_run(cluster: Cluster, project: shape.Project, given: shape.Given, **of_template: str) -> shape.Job:
    """Run a launch of type Check to its end; the template has these extra variables, too."""
    template = _template("launch")
    template = replace(template, check=True, extra_vars={**template.extra_vars, **of_template})
    with shape.job(cluster, project, template, given, _path()) as job:
        job.end()
    return job


@needs_retyping
@pytest.mark.parametrize(("name", "text"), [("model", "0755"), ("run_id", "0042"), ("additional_args", "12:30:45")])
def test_job_when_an_answer_was_taken_for_a_number_then_is_refused(
    node_cluster: Cluster, project: shape.Project, name: str, text: str
) -> None:
    """It would be another model, another run."""
    job = _dry_run(node_cluster, project, _given(node_cluster, {"model": "demo_sleep", name: text}))
    assert job.status == "failed"
    number = {"0755": 493, "0042": 34, "12:30:45": 45045}[text]
    assert f"{name} arrived as {number}, not as text. AWX lets" in "\n".join(job.shown)


def test_job_when_an_answer_is_marked_as_text_then_it_is_taken_as_typed(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """As the error has said."""
    answers = {"model": "madlaunch_text:0755", "run_id": "madlaunch_text:0042", "madengine_version": "2"}
    job = _dry_run(node_cluster, project, _given(node_cluster, answers))
    assert job.status == "successful", "\n".join(job.shown)
    assert [text in "\n".join(job.shown) for text in ("# Run 0042: rank 0", "--tags 0755")] == [True, True]


def test_job_when_its_template_has_a_text_in_quotes_then_it_is_taken_as_typed(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """AWX writes what the template itself says as it is."""
    job = _dry_run(node_cluster, project, _given(node_cluster, {"model": "demo_sleep"}), run_id="0042")
    assert job.status == "successful", "\n".join(job.shown)
    assert "# Run 0042: rank 0" in "\n".join(job.shown)


@needs_retyping
def test_job_when_a_secret_was_taken_for_a_number_then_is_refused_and_shown_nowhere(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """As it is with a credential type that puts no mark before it."""
    secret = LOGIN["password"]
    held = {"madlaunch_secret_registry": {"REGISTRY_PASSWORD": secret}}
    job = _dry_run(node_cluster, project, _given(node_cluster, {"model": "demo_sleep", **held}))
    assert job.status == "failed"
    assert "REGISTRY_PASSWORD of container_env_secret did not arrive as text." in "\n".join(job.shown)
    said = json.dumps(job.events)
    assert [shown for shown in (secret, str(int(secret, 8))) if shown in said] == []


def test_job_when_it_is_one_slice_then_is_refused(node_cluster: Cluster, project: shape.Project) -> None:
    """Each slice would train alone with its part of the hosts."""
    awx = {"job_template_name": "train", "workflow_job_id": 7, "workflow_job_name": "train"}
    job = _ended(node_cluster, project, "launch", _given(node_cluster, {"model": "demo_sleep"}, **awx))
    assert job.status == "failed"
    assert any("the job is one slice of train" in line for line in job.shown)


def test_job_when_canceled_then_nothing_is_left_on_the_nodes_after_the_lease(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """AWX kills the job with SIGKILL and all that it has started; nobody is there who could stop the ranks."""
    answers = {"model": "demo_sleep", "container_env": "DEMO_SECONDS=300", "lease_s": LEASE_S, "grace_s": 2}
    given = _given(node_cluster, answers)
    with shape.job(node_cluster, project, _template("launch"), given, _path()) as job:
        job.wait_for("[n2:0] tick 2 of 300 on node 0")
        kill_control_side(node_cluster)
        seconds_until(lambda: left_on(node_cluster) == {}, LEASE_S + 20)
    ended = [status_on(node_cluster.nodes[node], f"mad-{given.job_id}", rank) for rank, node in ((0, 1), (1, 0))]
    assert [(status["ended_by"], status["left"]) for status in ended] == [("lease", 0)] * 2


def test_job_when_it_runs_into_its_timeout_then_nothing_is_left_on_the_nodes_after_the_lease(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """The timeout of the template kills the job as a cancel does, and leaves it no time either."""
    answers = {"model": "demo_sleep", "container_env": "DEMO_SECONDS=300", "lease_s": LEASE_S, "grace_s": 2}
    given = _given(node_cluster, answers)
    template = replace(_template("launch"), timeout_s=8)
    with shape.job(node_cluster, project, template, given, _path()) as job:
        job.wait_for("[n2:0] tick 1 of 300 on node 0")
        assert job.end() == "timeout", job.shown
        seconds_until(lambda: left_on(node_cluster) == {}, LEASE_S + 20)
    ended = [status_on(node_cluster.nodes[node], f"mad-{given.job_id}", rank) for rank, node in ((0, 1), (1, 0))]
    assert [status["left"] for status in ended] == [0, 0]


def test_job_when_all_ranks_are_asked_for_then_shows_the_lines_of_all(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """In portions that AWX can show."""
    given = _given(node_cluster, {"model": "demo_env", "show_ranks": "all", "grace_s": 2})
    job = _ended(node_cluster, project, "launch", given)
    assert job.status == "successful", "\n".join(job.shown)
    assert {line.split("]")[0] for line in job.shown if line.startswith("[n")} == {"[n2:0", "[n10:1"}
    assert max(len(text) for text in job.texts if text.startswith("[n")) <= 1024


def test_workflow_when_its_launch_is_canceled_then_the_stop_finds_the_run_by_itself(
    node_cluster: Cluster, project: shape.Project
) -> None:
    """The launch had no time to hand anything on, and the stop is another job: the workflow is what they share."""
    workflow = {"workflow_job_id": secrets.randbelow(10**9), "workflow_job_name": "madlaunch launch and clean up"}
    answers = {"model": "demo_sleep", "container_env": "DEMO_SECONDS=300", "grace_s": 2, "lease_s": 600}
    given = _given(node_cluster, answers, **workflow)
    with shape.job(node_cluster, project, _template("launch"), given, _path()) as job:
        job.wait_for("[n2:0] tick 1 of 300 on node 0")
        kill_control_side(node_cluster)
    stop = _ended(node_cluster, project, "stop", _given(node_cluster, {"run_id": ""}, **workflow))
    assert stop.status == "successful", "\n".join(stop.shown)
    check_nothing_left(node_cluster)
    run_id = f"mad-w{workflow['workflow_job_id']}-{given.job_id}"
    assert status_on(node_cluster.nodes[1], run_id, 0)["stop_reason"] == "user"
