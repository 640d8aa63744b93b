# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a run that ended badly is started again as a whole.

Private to the collection. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ._outcome import FAILED, INTERRUPTED, RunOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Decision:
    """Whether to start again, how much of the time limit is left (-1: none is set), and why not if not."""

    again: bool
    timeout_left_s: int = -1
    reason: str = ""
    interrupted: bool = False


def decide(plan: Mapping[str, Any], outcome: RunOutcome, *, ended: bool, now_s: float) -> Decision:
    """Return whether the whole gang is to be started again.

    Args:
        plan: with `max_restarts` and `timeout_s`.
        outcome: of the attempt that has just ended, with the earlier ones.
        ended: a person asked for the end of the run.
        now_s: the control node's clock.

    Only a failure is tried again: a time limit, a silence limit and a request to end are the end of the run.
    """
    allowed = int(plan.get("max_restarts") or 0)
    if outcome.state != FAILED or not allowed:
        return Decision(again=False)
    if ended:
        return Decision(again=False, reason="not started again, as it was asked to end", interrupted=True)
    if outcome.attempt >= allowed:
        return Decision(again=False, reason=f"not started again: all {allowed} restarts were used")
    if outcome.unclean:
        names = ", ".join(rank.host for rank in outcome.unclean)
        return Decision(again=False, reason=f"not started again: not verified clean: {names}")
    left_s = _time_left_s(plan, outcome, now_s)
    if left_s == 0:
        return Decision(again=False, reason="not started again: nothing is left of the time limit")
    return Decision(again=True, timeout_left_s=left_s)


def explained(outcome: RunOutcome, decision: Decision) -> RunOutcome:
    """Return the outcome with the reason why it is the last one."""
    if not decision.reason:
        return outcome
    known = replace(outcome, reason=f"{outcome.reason}; {decision.reason}")
    return replace(known, state=INTERRUPTED, exit_code=EXIT_INTERRUPTED) if decision.interrupted else known


def _time_left_s(plan: Mapping[str, Any], outcome: RunOutcome, now_s: float) -> int:
    """Return the whole seconds that are left of the limit of the run, -1 when it has none."""
    limit_s = int(plan["timeout_s"])
    if not limit_s:
        return -1
    first = outcome.attempts[0]["ranks"] if outcome.attempts else [rank.as_dict() for rank in outcome.ranks]
    started = [one["started_at_s"] - (one["clock_offset_s"] or 0.0) for one in first if one["started_at_s"] is not None]
    spent_s = now_s - min(started) if started else 0.0
    return max(0, int(limit_s - spent_s))
