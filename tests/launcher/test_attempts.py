# SPDX-License-Identifier: GPL-3.0-or-later
"""A gang that is started again, and lines that several ranks print, on the launcher's side."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import reduce
from typing import Any

import pytest

from madlaunch.answers import Plan, PlannedHost, RankOutcome, RunOutcome
from madlaunch.console_report import attempt_end, cleanliness
from madlaunch.console_style import Style
from madlaunch.events import (
    AttemptEnded,
    Event,
    FoldedLine,
    Note,
    PlanMade,
    PreflightDone,
    RankEnded,
    RankStarted,
    TaskFailed,
    Translator,
)
from madlaunch.outcome import Progress, conclude, fold

STYLE = Style(color=False, unicode=False)
BAD = RankOutcome("a", 0, "failed", 9, reason="exit code 9", clean=True)
FIRST = RunOutcome("failed", 1, ranks=(BAD,), reason="a failed")
SECOND = RunOutcome("failed", 1, ranks=(BAD,), reason="a failed again", attempt=1, attempts=(FIRST,))
RUNNING: tuple[Event, ...] = (
    PlanMade(Plan("r", "m", "a", 4000, 60, 15, "/l", (PlannedHost("a", 0, ""),))),
    PreflightDone(ok=True, findings=(), skipped=(), hosts=()),
    RankStarted("a", 0, "x", ""),
)


def _translator(*, folds: bool) -> Translator:
    translator = Translator()
    plan = {"run_id": "r", "fold": folds, "hosts": {"a1": {"node_rank": 0}, "a2": {"node_rank": 1}}}
    result = {"madlaunch": {"kind": "plan", "plan": plan}}
    translator.translate({"event": "runner_on_ok", "event_data": {"host": "a1", "res": result}})
    return translator


@pytest.mark.parametrize(
    ("folds", "line", "expected"),
    [
        (True, "[a[1-2]:0-1] step 3] of 4", [FoldedLine("a[1-2]", "0-1", "step 3] of 4")]),
        (True, "[a1,b:0,5] ", [FoldedLine("a1,b", "0,5", "")]),
        (False, "[a[1-2]:0-1] x", [Note("output", "[a[1-2]:0-1] x")]),
        (True, "[a3:7] x", [Note("output", "[a3:7] x")]),
    ],
    ids=["range", "list-and-empty", "not-asked-for", "one-rank-of-another-run"],
)
def test_label_of_several_ranks_is_known_when_lines_are_folded(folds: bool, line: str, expected: list[Event]) -> None:  # noqa: FBT001 - a parameter
    """Otherwise it is text of somebody else."""
    assert _translator(folds=folds).translate({"event": "verbose", "stdout": line}) == expected


def test_attempt_that_ended_is_read_with_the_earlier_ones() -> None:
    """Also as a record keeps it, where the paths of the results are flat."""
    document: dict[str, Any] = json.loads(json.dumps(asdict(SECOND)))
    result = {"madlaunch": {"kind": "attempt", "outcome": document, "max_restarts": 3}}
    raw = {"event": "runner_on_ok", "event_data": {"host": "a", "res": result}}
    assert Translator().translate(raw) == [AttemptEnded(SECOND, 3)]


def test_conclude_after_a_restart_keeps_every_attempt_and_none_of_their_ends() -> None:
    """A playbook that dies in the third attempt: its rank is lost, whatever the first two came to."""
    failure = TaskFailed("a", "t", "madlaunch.multinode.job", "m")
    events = (*RUNNING, RankEnded(BAD), failure, AttemptEnded(SECOND, 3), RUNNING[-1])
    outcome = conclude(reduce(fold, events, Progress()))
    assert (outcome.attempt, [attempt.reason for attempt in outcome.attempts]) == (2, ["a failed", "a failed again"])
    assert [rank.state for rank in outcome.ranks] == ["lost"]


def test_report_of_an_attempt_says_how_many_there_may_be() -> None:
    """Counted as people count."""
    assert attempt_end(SECOND, 3, STYLE) == [
        "",
        "[warn] attempt 2 of at most 4 failed; clean on all hosts; starting every rank again",
    ]


def test_report_names_hosts_that_were_not_seen_clean_with_the_command_for_later() -> None:
    """What is left, or that nobody could look."""
    ranks = (
        RankOutcome("a", 0, "ok", clean=True),
        RankOutcome("b", 1, "lost"),
        RankOutcome("c", 2, "stopped", clean=False, left=("process 7: python train.py", "container 1f")),
    )
    assert cleanliness(RunOutcome("failed", 1, ranks=ranks), "run-1", STYLE) == [
        "[FAIL] clean on 1/3 hosts",
        "  b (rank 1): could not be looked at",
        "  c (rank 2): left: process 7: python train.py; container 1f",
        "  later: launcher.py stop run-1",
    ]
