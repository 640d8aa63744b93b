# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict for the run: when it is good, and who failed first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _verdict
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import Performance, RankOutcome, RunOutcome


def rank(number: int, state: str = "ok", ended_at_s: float | None = 200.0, **changes: Any) -> RankOutcome:  # noqa: ANN401
    """Return an outcome whose reason is `why<number>`."""
    return replace(RankOutcome(f"h{number}", number, state, f"why{number}", ended_at_s=ended_at_s), **changes)


VALUE = (Performance("llama", "12.5", "tokens/s"),)


def told(run: RunOutcome) -> tuple[str, int, int | None]:
    """Return state, exit code and the rank of the first failure."""
    return run.state, run.exit_code, run.first_failure.node_rank if run.first_failure else None


def test_judge_run_is_ok_when_all_ranks_are_clean_and_one_has_a_value() -> None:
    """The whole outcome of a good run, ranks in order."""
    ranks = (rank(0), rank(1, performance=VALUE))
    assert _verdict.judge_run(reversed(ranks), {}, results={"perf_csv": "/x/perf.csv"}).as_dict() == {
        "state": "ok",
        "exit_code": 0,
        "reason": "all 2 ranks ended clean; performance was reported by rank 1",
        "first_failure": None,
        "ranks": [outcome.as_dict() for outcome in ranks],
        "results": {"perf_csv": "/x/perf.csv"},
        "clean": {"hosts": 2, "verified": 0},
        "attempt": 0,
        "attempts": [],
    }


def test_judge_run_has_failed_when_no_rank_reports_a_value() -> None:
    """All clean is not enough: nothing shows that anything was trained."""
    run = _verdict.judge_run([rank(0), rank(1)], {})
    assert (told(run), run.reason.partition(":")[0]) == (
        ("failed", 1, None),
        "all 2 ranks ended clean, but none reported a performance value",
    )


def test_judge_run_is_ok_when_every_rank_was_told_to_skip_the_model() -> None:
    """Preparing the images of all nodes is a good run without a value; one rank that trained alone is not."""
    assert told(_verdict.judge_run([rank(0, skipped=True), rank(1, skipped=True)], {})) == ("ok", 0, None)
    assert told(_verdict.judge_run([rank(0, skipped=True), rank(1)], {})) == ("failed", 1, None)


@pytest.mark.parametrize(
    ("ranks", "offsets_s", "expected"),
    [
        ([rank(0, "failed", 105.0), rank(1, "failed", 100.0)], {}, ("failed", 1, 1)),
        ([rank(0, "failed", 105.0), rank(1, "failed", 100.0)], {"h0": 10.0}, ("failed", 1, 0)),
        ([rank(0, "failed", 100.0), rank(1, "failed", 100.0)], {}, ("failed", 1, 0)),
        ([rank(0, "stopped", 90.0, stop_reason="gang"), rank(1, "failed", 100.0)], {}, ("failed", 1, 1)),
        ([rank(0, "timeout", 100.0), rank(1, "failed", 101.0)], {}, ("timeout", 4, 0)),
        ([rank(0, "timeout", 101.0), rank(1, "failed", 100.0)], {}, ("failed", 1, 1)),
        ([rank(0, "lost", 100.0), rank(1, "failed", 101.0)], {"h0": -50.0}, ("failed", 1, 0)),
        ([rank(0, "not_started", None), rank(1, "stopped", stop_reason="gang")], {}, ("failed", 1, 0)),
        ([rank(0, "not_started", None), rank(1, "failed")], {}, ("failed", 1, 1)),
        (
            [rank(0, "not_started", None, stop_reason="gang"), rank(1, "not_started", None)],
            {},
            ("failed", 1, 1),
        ),
        ([rank(0, "not_started", None, stop_reason="interrupt")], {}, ("interrupted", 130, None)),
        ([rank(0, "stopped", stop_reason="silence"), rank(1, "stopped", stop_reason="gang")], {}, ("silence", 4, None)),
        ([rank(0, "stopped", stop_reason="gang"), rank(1)], {}, ("failed", 1, None)),
        (
            [rank(0, "stopped", stop_reason="user"), rank(1, "stopped", stop_reason="gang")],
            {},
            ("interrupted", 130, None),
        ),
        ([rank(0, "failed", 90.0), rank(1, "stopped", stop_reason="interrupt")], {}, ("interrupted", 130, 0)),
        ([], {}, ("failed", 1, None)),
    ],
    ids=[
        "earlier",
        "earlier-by-true-time",
        "tie",
        "stopped-is-no-cause",
        "timeout-first",
        "failure-first",
        "lost-is-on-our-clock",
        "not-started",
        "not-started-has-no-time",
        "not-started-as-another-was-not",
        "not-started-on-request",
        "silence-names-nobody",
        "stopped-without-cause",
        "by-a-user",
        "interrupted",
        "no-ranks",
    ],
)
def test_judge_run_names_the_first_failure(
    ranks: list[RankOutcome], offsets_s: dict[str, float], expected: tuple[str, int, int | None]
) -> None:
    """The first by the control node's clock; what followed from it is no cause."""
    assert told(_verdict.judge_run(ranks, offsets_s)) == expected


def test_judge_run_is_interrupted_when_the_launch_was_even_if_all_ranks_had_ended() -> None:
    """Ctrl-C decides the exit code."""
    run = _verdict.judge_run([rank(0, performance=VALUE)], {}, interrupted=True)
    assert (told(run), run.reason) == (("interrupted", 130, None), "the run was ended on request")


def test_lost_and_not_started_are_outcomes_without_an_end_of_their_own() -> None:
    """The control node's clock stands in for the end of a lost rank."""
    who = _verdict.Rank("node2", 1, 2, 2, "torchrun", "/log")
    assert _verdict.lost(who, {"started_at_s": 100.0}, "no route", 300.0) == RankOutcome(
        "node2",
        1,
        "lost",
        "the host no longer answers: no route",
        started_at_s=100.0,
        ended_at_s=300.0,
        log_path="/log",
    )
    assert _verdict.lost(who, None, "no route", 300.0).started_at_s is None
    assert _verdict.not_started(who, "disk full") == RankOutcome(
        "node2", 1, "not_started", "disk full", log_path="/log"
    )
