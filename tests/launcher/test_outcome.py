# SPDX-License-Identifier: GPL-3.0-or-later
"""What the launcher concludes from what it saw."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest

from madlaunch.answers import Finding, FirstFailure, Plan, PlannedHost, RankOutcome, RunOutcome
from madlaunch.events import (
    Event,
    HostReachable,
    HostUnreachable,
    Note,
    PlanMade,
    PlayEnded,
    PreflightDone,
    RankEnded,
    RankRendered,
    RankStarted,
    RunEnded,
    TaskFailed,
)
from madlaunch.outcome import Progress, conclude, fold

HOSTS = (PlannedHost("a", 0, ""), PlannedHost("b", 1, ""))
PLANNED = PlanMade(Plan("r", "m", "a", 4000, 60, 15, "/l", HOSTS))
READY = PreflightDone(ok=True, findings=(), skipped=(), hosts=())
NOT_READY = replace(READY, ok=False, findings=(Finding("gpus", "error", "b", "0", "8", "x", "none"),))
STARTED = (RankStarted("a", 0, "x", ""), RankStarted("b", 1, "x", ""))
OK, BAD, LIMIT = RankOutcome("a", 0, "ok", 0), RankOutcome("b", 1, "failed", 3, reason="exit code 3"), "timeout"
END, DIED = PlayEnded(0, canceled=False), PlayEnded(2, canceled=False)
RUNNING = (PLANNED, READY, *STARTED)
GOOD = RunOutcome("ok", 0, ranks=(OK,))
FAILED = TaskFailed("b", "Start", "madlaunch.multinode.job", "disk full")


def _conclude(*events: Event, interrupted: bool = False) -> RunOutcome:
    progress = reduce(fold, events, Progress())
    return conclude(replace(progress, interrupted=interrupted))


def _facts(outcome: RunOutcome) -> tuple[str, int, list[str]]:
    return outcome.state, outcome.exit_code, [rank.state for rank in outcome.ranks]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param((*RUNNING, RunEnded(GOOD), END), ("ok", 0, ["ok"]), id="the verdict decides"),
        pytest.param((PLANNED, NOT_READY, DIED), ("preflight", 3, ["not_started"] * 2), id="preflight failed"),
        pytest.param(
            (PLANNED, HostReachable("a"), HostUnreachable("b", "refused"), DIED),
            ("preflight", 3, ["not_started"] * 2),
            id="host unreachable before the start",
        ),
        pytest.param(
            (PLANNED, replace(FAILED, action="madlaunch.multinode.preflight_probe"), DIED),
            ("preflight", 3, ["not_started"] * 2),
            id="probe failed",
        ),
        pytest.param(
            (TaskFailed("a", "Plan", "madlaunch.multinode.launch_plan", "rank 0 twice"), DIED),
            ("refused", 2, []),
            id="plan refused",
        ),
        pytest.param((TaskFailed("a", "Other", "debug", "x"), DIED), ("broken", 5, []), id="failure before the plan"),
        pytest.param((PLANNED, READY, END), ("ok", 0, ["not_started"] * 2), id="check"),
        pytest.param((PLANNED, RankRendered("a", 0, (), (), ()), END), ("ok", 0, ["not_started"] * 2), id="dry run"),
        pytest.param((END,), ("refused", 2, []), id="no host in the inventory"),
        pytest.param((DIED,), ("broken", 5, []), id="died before anything happened"),
        pytest.param((*RUNNING, DIED), ("broken", 5, ["lost"] * 2), id="died while following"),
        pytest.param((*RUNNING, END), ("broken", 5, ["lost"] * 2), id="ended without a verdict"),
        pytest.param((*RUNNING, RankEnded(OK), DIED), ("broken", 5, ["ok", "lost"]), id="one rank seen, died"),
        pytest.param((*RUNNING, RankEnded(BAD), DIED), ("failed", 1, ["lost", "failed"]), id="one rank failed, died"),
        pytest.param(
            (*RUNNING, RankEnded(replace(BAD, state=LIMIT)), DIED),
            ("timeout", 4, ["lost", "timeout"]),
            id="limit, died",
        ),
        pytest.param(
            (*RUNNING, RankEnded(OK), HostUnreachable("b", "gone"), DIED),
            ("broken", 1, ["ok", "lost"]),
            id="host lost while running",
        ),
        pytest.param(
            (PLANNED, READY, STARTED[0], FAILED, DIED), ("broken", 1, ["lost", "not_started"]), id="a start failed"
        ),
        pytest.param((PLANNED, READY, FAILED, DIED), ("broken", 1, ["not_started"] * 2), id="the first start failed"),
        pytest.param((PLANNED, READY, Note("warning", "x"), END), ("ok", 0, ["not_started"] * 2), id="note"),
    ],
)
def test_conclude_when_the_play_has_ended_says_no_better_than_was_seen(
    events: tuple[Event, ...], expected: tuple[str, int, list[str]]
) -> None:
    """State, exit code, and the state of every planned rank."""
    assert _facts(_conclude(*events)) == expected


def test_conclude_when_ranks_failed_names_the_first_by_time() -> None:
    """The earliest end is the first failure, whatever the order of arrival."""
    late = replace(BAD, ended_at_s=9.0)
    early = RankOutcome("a", 0, "failed", 1, ended_at_s=8.0, reason="exit code 1")
    assert _conclude(*RUNNING, RankEnded(late), RankEnded(early), DIED).first_failure == FirstFailure(
        "a", 0, "exit code 1"
    )


def test_conclude_when_a_start_failed_gives_the_reason_for_that_rank() -> None:
    """The rank that could not start carries the message of its task."""
    outcome = _conclude(PLANNED, READY, STARTED[0], FAILED, DIED)
    assert outcome.ranks[1] == RankOutcome("b", 1, "not_started", reason="disk full")
    assert outcome.first_failure == FirstFailure("b", 1, "disk full")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param((PLANNED,), ("interrupted", 130, ["not_started"] * 2), id="preflight"),
        pytest.param(RUNNING, ("interrupted", 130, ["lost"] * 2), id="running"),
        pytest.param((), ("interrupted", 130, []), id="before the plan"),
        pytest.param(
            (*RUNNING, RunEnded(RunOutcome("interrupted", 130, ranks=(OK,)))),
            ("interrupted", 130, ["ok"]),
            id="verdict",
        ),
    ],
)
def test_conclude_when_interrupted_exits_with_130(
    events: tuple[Event, ...], expected: tuple[str, int, list[str]]
) -> None:
    """An interrupted run is interrupted; what was not seen to end is lost."""
    assert _facts(_conclude(*events, interrupted=True)) == expected


def test_may_have_started_when_the_preflight_was_good_is_true_before_any_start_was_seen() -> None:
    """Between the report and the first start event nobody can be sure that nothing runs."""
    assert not fold(Progress(), PLANNED).may_have_started
    assert fold(Progress(), READY).may_have_started
    assert not fold(Progress(), NOT_READY).may_have_started
