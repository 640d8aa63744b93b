# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different when AWX runs the playbook."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _awx
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError

JOB = _awx.Job("57", "madlaunch launch")
IN_WORKFLOW = _awx.Job("57", "madlaunch launch", "12", "nightly")


@pytest.mark.parametrize("prefix", ["awx_", "tower_"])
def test_job_when_awx_runs_the_play_then_is_read_of_its_variables(prefix: str) -> None:
    """AWX gives them under both prefixes, Tower under one."""
    given = {
        "job_id": 57,
        "job_template_name": "madlaunch launch",
        "workflow_job_id": 12,
        "workflow_job_name": "nightly",
    }
    assert _awx.job_of({prefix + name: value for name, value in given.items()}) == IN_WORKFLOW


def test_job_when_nothing_tells_of_awx_then_is_none() -> None:
    """A play of an estate, or of the launcher."""
    assert _awx.job_of({"inventory_hostname": "n1", "awx_inventory_id": 2}) is None


def test_run_id_when_in_a_workflow_then_begins_with_that_of_the_workflow() -> None:
    """So that the job that stops, which has another number, finds the run."""
    assert [(job.run_id, job.workflow_prefix) for job in (JOB, IN_WORKFLOW)] == [
        ("mad-57", ""),
        ("mad-w12-57", "mad-w12-"),
    ]


def test_check_when_the_job_is_a_slice_then_it_is_refused() -> None:
    """AWX runs the slices of a template in a workflow of the same name, and tells nothing else of it."""
    sliced = _awx.Job("57", "madlaunch launch", "12", "madlaunch launch")
    with pytest.raises(PlanError, match=r"one slice of madlaunch launch") as caught:
        _awx.check(sliced, 60, detach=False)
    assert caught.value.hint.startswith("Set job slicing of the template to 1")
    _awx.check(IN_WORKFLOW, 60, detach=False)


def test_check_when_there_is_no_lease_then_it_is_refused_unless_the_run_is_left_alone() -> None:
    """A job that is canceled can say nothing to the hosts."""
    with pytest.raises(PlanError, match="lease_s is 0 in an AWX job"):
        _awx.check(JOB, 0, detach=False)
    _awx.check(JOB, 0, detach=True)


def test_by_name_when_names_have_numbers_then_sorts_them_by_value() -> None:
    """Rank 2 is on node2, not on node10; a name of digits alone is beside one of letters."""
    names = ["node10", "node2", "a", "10.0.0.10", "10.0.0.9", "node2-b", "node"]
    expected = ["10.0.0.9", "10.0.0.10", "a", "node", "node2", "node2-b", "node10"]
    assert sorted(names, key=_awx.by_name) == expected


def test_event_texts_when_there_are_many_lines_then_each_part_is_shown_whole() -> None:
    """No line is lost or torn, and no part is longer than AWX lists."""
    lines = [f"[n1:0] line {number} " + "x" * (number % 50) for number in range(200)]
    parts = _awx.event_texts("\n".join(lines))
    assert "\n".join(parts).split("\n") == lines
    assert max(len(part.replace("\n", "\r\n") + "\r\n") for part in parts) <= 1024
    assert len(parts) < 12


def test_event_texts_when_a_line_is_too_long_then_it_is_cut_and_says_so() -> None:
    """The log has the whole line."""
    (part,) = _awx.event_texts("y" * 5000)
    assert part == "y" * 1002 + " [3998 more]"
    assert _awx.event_texts("y" * 1022) == ["y" * 1022]


@pytest.mark.parametrize("line", ["[n1:0] SSH password:", "Enter passphrase for key 'x': ", "BECOME password[sudo]:  "])
def test_event_texts_when_a_line_looks_like_a_prompt_then_does_not_end_like_one(line: str) -> None:
    """AWX would answer it, with the password of a credential if there is one."""
    assert _awx.event_texts(line) == [f"{line.rstrip()} ."]
    assert _awx.event_texts("the password: 1") == ["the password: 1"]
