# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict for each rank and for the run.

Private to the collection. Pure. A run is good when every rank ended clean and at least one has a performance value:
Megatron, for one, reports on its last rank only.
"""

from __future__ import annotations

import signal as signals
from typing import TYPE_CHECKING, Any

from ._outcome import (
    BY_USER,
    FAILED,
    INTERRUPTED,
    LOST,
    NOT_STARTED,
    OK,
    SILENCE,
    STOPPED,
    STOPPED_BY_OTHERS,
    TIMEOUT,
    FirstFailure,
    Rank,
    RankOutcome,
    RunOutcome,
)
from ._verdict_end import Ending, judge_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Why a rank was stopped, in words.
STOP_REASONS = {
    "gang": "stopped by the launch because another rank had failed",
    "lost": "stopped by the launch because another host no longer answered",
    "interrupt": "stopped because the launch was interrupted",
    "user": "stopped because a user asked for it",
    "silence": "stopped because no rank had printed anything for the silence limit",
    "lease": "stopped by its own node: the control node had not been heard of for longer than the lease",
}
# These follow from another rank; `silence`, `lease` and what else there may be are causes.
NO_EVIDENCE: dict[str, Any] = {
    "perf_csv": None,
    "summary": None,
    "markers": {
        "runner": None,
        "complete": False,
        "model_started": False,
        "model_finished": False,
        "performance_line": False,
        "exception": None,
        "status_line": None,
        "error_pattern": None,
        "skipped": None,
        "failure_line": None,
    },
    "first_lines": [],
    "last_lines": [],
}
EXIT_CODES = {OK: 0, FAILED: 1, TIMEOUT: 4, SILENCE: 4, INTERRUPTED: 130}


def judge_rank(rank: Rank, status: Mapping[str, Any], evidence: Mapping[str, Any] | None) -> RankOutcome:
    """Return the outcome of a rank whose STATUS is `ended`; one that is not counts as lost.

    Args:
        rank: which rank, and what its command asked for.
        status: STATUS of the node program.
        evidence: EVIDENCE of node/evidence.py, None when it could not be had.
    """
    known = NO_EVIDENCE if evidence is None else evidence
    ending, stop_reason = _ending(rank, status, known)
    return RankOutcome(
        host=rank.host,
        node_rank=rank.node_rank,
        state=ending.state,
        reason=ending.reason,
        exit_code=status["exit_code"],
        signal=status["signal"],
        started_at_s=status["started_at_s"],
        ended_at_s=status["ended_at_s"],
        performance=ending.performance,
        first_lines=tuple(known["first_lines"]),
        last_lines=tuple(known["last_lines"]),
        log_path=rank.log_path,
        stop_reason=stop_reason,
        skipped=ending.skipped,
    )


def _ending(rank: Rank, status: Mapping[str, Any], evidence: Mapping[str, Any]) -> tuple[Ending, str | None]:
    """Return the judgment, and why the rank was stopped if it was."""
    ended_by = status["ended_by"]
    if status["state"] != "ended" or ended_by == "supervisor_lost":
        return Ending(LOST, "the process that watched over the rank on its node is gone"), None
    if status.get("gate") == "closed" and ended_by in ("stop", "lease"):
        return _unstarted(ended_by, str(status["stop_reason"] or ""))
    if ended_by == "timeout":
        return Ending(TIMEOUT, f"the time limit of {status['timeout_s']} s was reached"), None
    if ended_by in ("stop", "lease"):
        why = "lease" if ended_by == "lease" else str(status["stop_reason"] or "user")
        return Ending(STOPPED, STOP_REASONS.get(why, f"stopped by the launch ({why})")), why
    return _by_itself(rank, status, evidence), None


def _unstarted(ended_by: str, reason: str) -> tuple[Ending, str | None]:
    """Return the judgment of a rank that was made ready, and ended before it was let begin."""
    if ended_by == "lease":
        return Ending(NOT_STARTED, f"made ready, but {reason}"), None
    why = reason or "user"
    return Ending(STOPPED, f"{STOP_REASONS.get(why, f'stopped by the launch ({why})')}; it had not begun"), why


def _by_itself(rank: Rank, status: Mapping[str, Any], evidence: Mapping[str, Any]) -> Ending:
    if status["signal"] is not None:
        return Ending(FAILED, _killed(status["signal"], evidence))
    if status["exit_code"] is None:
        return Ending(LOST, "the node does not know how the rank ended")
    if evidence is NO_EVIDENCE:
        reason = f"madengine ended with exit code {status['exit_code']}, but its log and results could not be read"
        return Ending(FAILED, reason)
    return judge_end(rank, status["exit_code"], evidence)


def _killed(number: int, evidence: Mapping[str, Any]) -> str:
    try:
        name = signals.Signals(number).name
    except ValueError:
        name = "unknown"
    hint = "; the kernel does so when memory runs out (see dmesg)" if name == "SIGKILL" else ""
    cause = evidence["markers"]["failure_line"]
    return f"madengine was killed by signal {number} ({name}), not sent by the launch{hint}" + (
        f"; the log has: {cause}" if cause else ""
    )


def lost(
    rank: Rank, status: Mapping[str, Any] | None, reason: str, seen_at_s: float, *, answers: bool = False
) -> RankOutcome:
    """Return the outcome of a rank that was lost from sight; `seen_at_s` is the control node's clock.

    `answers` says that the host does answer, but cannot say anything of the rank.
    """
    started_at_s = status["started_at_s"] if status else None
    text = f"its node has lost track of the rank: {reason}" if answers else f"the host no longer answers: {reason}"
    return RankOutcome(
        rank.host, rank.node_rank, LOST, text, started_at_s=started_at_s, ended_at_s=seen_at_s, log_path=rank.log_path
    )


def not_started(rank: Rank, reason: str, stop_reason: str | None = None) -> RankOutcome:
    """Return the outcome of a rank that was never started; `stop_reason` is why, if the launch was being stopped."""
    return RankOutcome(rank.host, rank.node_rank, NOT_STARTED, reason, log_path=rank.log_path, stop_reason=stop_reason)


def judge_run(
    outcomes: Iterable[RankOutcome],
    clock_offsets_s: Mapping[str, float],
    *,
    interrupted: bool = False,
    results: Mapping[str, str] | None = None,
) -> RunOutcome:
    """Return the outcome of the run.

    Args:
        outcomes: of every rank.
        clock_offsets_s: per host its clock minus the control node's, so that times can be compared; 0 when missing.
        interrupted: the launch itself was asked to end.
        results: paths of the collected files.
    """
    ranks = tuple(sorted(outcomes, key=lambda rank: rank.node_rank))
    first = _first_failure(ranks, clock_offsets_s)
    state, reason = _run_state(ranks, first, interrupted=interrupted)
    failure = FirstFailure(first.host, first.node_rank, first.reason) if first and state != SILENCE else None
    return RunOutcome(state, EXIT_CODES[state], reason, failure, ranks, dict(results or {}))


def _run_state(ranks: tuple[RankOutcome, ...], first: RankOutcome | None, *, interrupted: bool) -> tuple[str, str]:
    if interrupted or any(rank.stop_reason in BY_USER for rank in ranks):
        return INTERRUPTED, "the run was ended on request"
    if first is not None and first.stop_reason == SILENCE:
        return SILENCE, "no rank had printed anything for the silence limit; the logs have a stack dump of each rank"
    if first is not None:
        state = TIMEOUT if first.state == TIMEOUT else FAILED
        return state, f"{first.host} (rank {first.node_rank}): {first.reason}"
    if any(rank.state != OK for rank in ranks) or not ranks:
        return FAILED, "ranks were stopped, and none of them tells why"
    return _all_clean(ranks)


def _all_clean(ranks: tuple[RankOutcome, ...]) -> tuple[str, str]:
    count = f"all {len(ranks)} ranks ended clean" if len(ranks) > 1 else "the rank ended clean"
    reporting = [rank.node_rank for rank in ranks if rank.performance]
    if reporting:
        return OK, f"{count}; performance was reported by rank {', '.join(map(str, reporting))}"
    if all(rank.skipped for rank in ranks):
        return OK, f"{count}; the model was not run, as asked"
    reason = f"{count}, but none reported a performance value: nothing proves that the model trained"
    return FAILED, f"{reason} (madengine looks for a line `performance: NUMBER UNIT`, or for the model's results file)"


def _first_failure(ranks: tuple[RankOutcome, ...], clock_offsets_s: Mapping[str, float]) -> RankOutcome | None:
    """Return the failure that came first by the control node's clock.

    A rank that was stopped counts only if nothing else failed and the stop was not the consequence of anything else.
    """
    failed = [rank for rank in ranks if rank.is_cause and rank.state != STOPPED]
    if not failed:
        failed = [rank for rank in ranks if rank.state == STOPPED and rank.stop_reason not in STOPPED_BY_OTHERS]
    return min(failed, key=lambda rank: _when(rank, clock_offsets_s), default=None)


def _when(rank: RankOutcome, clock_offsets_s: Mapping[str, float]) -> tuple[float, int]:
    if rank.ended_at_s is None:
        return float("inf"), rank.node_rank
    offset_s = 0.0 if rank.state == LOST and rank.exit_code is None else clock_offsets_s.get(rank.host, 0.0)
    return rank.ended_at_s - offset_s, rank.node_rank


__all__ = ["Rank", "RankOutcome", "RunOutcome", "judge_rank", "judge_run", "lost", "not_started"]
