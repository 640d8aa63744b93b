# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run that ended badly is started again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import RankOutcome, RunOutcome
from ansible_collections.madlaunch.multinode.plugins.module_utils._restart import Decision, decide, explained

PLAN = {"max_restarts": 2, "timeout_s": 100}
RANKS = (
    RankOutcome("a", 0, "stopped", "x", started_at_s=1000.0, clean=True, stop_reason="gang"),
    # Its clock is 500 s ahead.
    RankOutcome("b", 1, "failed", "x", started_at_s=1498.0, clean=True, clock_offset_s=500.0),
)
FAILED = RunOutcome("failed", 1, "b failed", None, RANKS)


def test_failure_that_left_nothing_is_tried_again_within_the_limit() -> None:
    """The time that is left counts from the first rank that started, by the control node's clock."""
    assert decide(PLAN, FAILED, ended=False, now_s=1030.0) == Decision(again=True, timeout_left_s=68)


def test_later_attempt_has_what_the_first_left_of_the_limit() -> None:
    """The limit is that of the run, not of an attempt."""
    later = replace(FAILED, attempt=1, attempts=(FAILED.as_dict(),), ranks=())
    assert decide(PLAN, later, ended=False, now_s=1090.0) == Decision(again=True, timeout_left_s=8)


def test_run_without_a_limit_is_tried_again_without_one() -> None:
    """-1 leaves the plan's 0, which is none."""
    assert decide({**PLAN, "timeout_s": 0}, FAILED, ended=False, now_s=9e9) == Decision(again=True)


@pytest.mark.parametrize("state", ["ok", "timeout", "silence", "interrupted"])
def test_run_that_did_not_fail_is_not_tried_again(state: str) -> None:
    """Limits and people end a run for good, and nothing is said about it."""
    assert decide(PLAN, replace(FAILED, state=state), ended=False, now_s=1030.0) == Decision(again=False)


@pytest.mark.parametrize(
    ("outcome", "now_s", "reason"),
    [
        (replace(FAILED, attempt=2), 1030.0, "all 2 restarts were used"),
        (replace(FAILED, ranks=(replace(RANKS[0], clean=None), RANKS[1])), 1030.0, "not verified clean: a"),
        (replace(FAILED, ranks=(RANKS[0], replace(RANKS[1], clean=False))), 1030.0, "not verified clean: b"),
        (FAILED, 1098.5, "nothing is left of the time limit"),
    ],
    ids=["used-up", "unseen", "unclean", "no-time"],
)
def test_failure_that_is_not_tried_again_says_why(outcome: RunOutcome, now_s: float, reason: str) -> None:
    """The reason stands behind that of the failure."""
    decision = decide(PLAN, outcome, ended=False, now_s=now_s)
    assert not decision.again
    assert explained(outcome, decision).reason == f"b failed; not started again: {reason}"


def test_failure_after_a_request_to_end_is_an_interrupt() -> None:
    """Whoever asked for the end gets its exit code, also when a rank failed first."""
    told = explained(FAILED, decide(PLAN, FAILED, ended=True, now_s=1030.0))
    assert (told.state, told.exit_code) == ("interrupted", 130)
