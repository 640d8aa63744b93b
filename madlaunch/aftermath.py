# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to do for a run whose playbook died: its ranks are stopped, and their hosts looked at. Pure.

``ansible-playbook``, or one of its workers, may be killed (by the kernel, for want of memory) while the launcher lives.
The leases would end the ranks in a minute; the launcher that is still there does it at once, and sees the end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from madlaunch.answers import RankOutcome, RunOutcome
    from madlaunch.answers_known import StopFacts
    from madlaunch.request import PlayRequest

_KEPT = ("grace_s", "node_state_dir", "target")


def stopping(request: PlayRequest, run_id: str) -> PlayRequest:
    """Return the stop of the run, on the same hosts and with the same logins."""
    kept = {name: request.extra_vars[name] for name in _KEPT if name in request.extra_vars}
    return replace(request, playbook="stop.yml", extra_vars={**kept, "run_id": run_id})


def stopped(outcome: RunOutcome, facts: StopFacts | None) -> RunOutcome:
    """Return the outcome with what the stop saw; None if it could not be made."""
    if facts is None:
        return replace(outcome, reason=f"{outcome.reason}; nobody could stop the ranks and look")
    ranks = tuple(_seen(rank, facts) for rank in outcome.ranks)
    return replace(outcome, ranks=ranks, reason=f"{outcome.reason}; the ranks were stopped by the launcher")


def _seen(rank: RankOutcome, facts: StopFacts) -> RankOutcome:
    if rank.host in facts.left:
        return replace(rank, clean=False, left=facts.left[rank.host])
    if rank.host not in facts.clean:
        return rank
    if rank.state != "lost":
        return replace(rank, clean=True, left=())
    return replace(rank, clean=True, left=(), reason="started, but nobody followed it to its end; then it was stopped")
