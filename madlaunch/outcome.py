# SPDX-License-Identifier: GPL-3.0-or-later
"""Fold the events of a run into what is known, and conclude the outcome and the exit code. Pure.

The verdict of the collection (``RunEnded``) decides. Only when it is missing, because the playbook did not
get that far or died, the conclusion is drawn here from what was seen, and never better than it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatch
from types import MappingProxyType
from typing import TYPE_CHECKING

from madlaunch.answers import FirstFailure, Plan, RankOutcome, RunOutcome
from madlaunch.errors import (
    EXIT_INTERRUPTED,
    EXIT_LAUNCHER,
    EXIT_OK,
    EXIT_PREFLIGHT,
    EXIT_RANK_FAILED,
    EXIT_TIME_LIMIT,
    EXIT_USAGE,
)
from madlaunch.events import (
    AttemptEnded,
    Event,
    HostReachable,
    HostUnreachable,
    PlanMade,
    PlayEnded,
    PreflightDone,
    RankEnded,
    RankRendered,
    RankStarted,
    RunEnded,
    TaskFailed,
)
from madlaunch.events_known import RunChosen, RunsListed, RunStopped

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a run so far; the mappings are by node rank or by host name."""

    plan: Plan | None = None
    reachable: frozenset[str] = frozenset()
    unreachable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    preflight: PreflightDone | None = None
    rendered: bool = False
    started: Mapping[int, RankStarted] = field(default_factory=lambda: MappingProxyType({}))
    ended: Mapping[int, RankOutcome] = field(default_factory=lambda: MappingProxyType({}))
    failures: tuple[TaskFailed, ...] = ()
    verdict: RunOutcome | None = None
    chosen: RunChosen | None = None
    listed: RunsListed | None = None
    stopped: RunStopped | None = None
    play: PlayEnded | None = None
    attempts: tuple[RunOutcome, ...] = ()
    interrupted: bool = False

    @property
    def may_have_started(self) -> bool:
        """Whether a rank may run on some node: from a good preflight on, nobody can be sure of the contrary."""
        attached = self.chosen is not None and self.chosen.purpose == "attach"
        return attached or bool(self.started) or (self.preflight is not None and self.preflight.ok)


@singledispatch
def _fold(event: object, progress: Progress) -> Progress:
    del event
    return progress


def fold(progress: Progress, event: Event) -> Progress:
    """Return what is known after ``event``."""
    return _fold(event, progress)


@_fold.register
def _(event: PlanMade, progress: Progress) -> Progress:
    return replace(progress, plan=event.plan)


@_fold.register
def _(event: HostReachable, progress: Progress) -> Progress:
    return replace(progress, reachable=progress.reachable | {event.host})


@_fold.register
def _(event: HostUnreachable, progress: Progress) -> Progress:
    return replace(progress, unreachable={**progress.unreachable, event.host: event.reason})


@_fold.register
def _(event: PreflightDone, progress: Progress) -> Progress:
    return replace(progress, preflight=event)


@_fold.register
def _(event: RankRendered, progress: Progress) -> Progress:
    del event
    return replace(progress, rendered=True)


@_fold.register
def _(event: RankStarted, progress: Progress) -> Progress:
    return replace(progress, started={**progress.started, event.node_rank: event})


@_fold.register
def _(event: RankEnded, progress: Progress) -> Progress:
    return replace(progress, ended={**progress.ended, event.outcome.node_rank: event.outcome})


@_fold.register
def _(event: TaskFailed, progress: Progress) -> Progress:
    return replace(progress, failures=(*progress.failures, event))


@_fold.register
def _(event: AttemptEnded, progress: Progress) -> Progress:
    # All starts again; who comes late from now on belongs to the next attempt.
    nobody: Mapping[int, RankStarted] = MappingProxyType({})
    no_end: Mapping[int, RankOutcome] = MappingProxyType({})
    return replace(progress, started=nobody, ended=no_end, failures=(), attempts=_all_attempts(event.outcome))


@_fold.register
def _(event: RunEnded, progress: Progress) -> Progress:
    return replace(progress, verdict=event.outcome)


@_fold.register
def _(event: RunChosen, progress: Progress) -> Progress:
    return replace(progress, chosen=event, plan=event.plan)


@_fold.register
def _(event: RunsListed, progress: Progress) -> Progress:
    return replace(progress, listed=event)


@_fold.register
def _(event: RunStopped, progress: Progress) -> Progress:
    return replace(progress, stopped=event)


@_fold.register
def _(event: PlayEnded, progress: Progress) -> Progress:
    return replace(progress, play=event)


def _all_attempts(outcome: RunOutcome) -> tuple[RunOutcome, ...]:
    return (*outcome.attempts, replace(outcome, attempts=()))


def conclude(progress: Progress) -> RunOutcome:
    """Return the outcome of a play that has ended (or was given up)."""
    if progress.verdict is not None:
        return progress.verdict
    return replace(_concluded(progress), attempt=len(progress.attempts), attempts=progress.attempts)


def _concluded(progress: Progress) -> RunOutcome:
    if progress.stopped is not None:
        return _of_stop(progress.stopped)
    if progress.interrupted and progress.chosen is not None and not progress.may_have_started:
        return RunOutcome("interrupted", EXIT_INTERRUPTED, reason="the run itself was not touched by this")
    ranks = _ranks(progress)
    if progress.interrupted:
        return RunOutcome("interrupted", EXIT_INTERRUPTED, ranks=ranks, reason=_interrupt_reason(progress))
    if progress.may_have_started and (progress.started or progress.failures):
        return _unfinished(progress, ranks)
    # The nodes that were not reached may know a run that could not be chosen.
    unchosen = progress.unreachable and any(failure.action.endswith("job_select") for failure in progress.failures)
    if progress.chosen is not None or progress.listed is not None or unchosen:
        return _of_look(progress)
    return replace(_before_start(progress), ranks=ranks)


def _ranks(progress: Progress) -> tuple[RankOutcome, ...]:
    """Return one outcome per planned rank; a rank that started and has no verdict is lost, not failed."""
    hosts = progress.plan.hosts if progress.plan else ()
    return tuple(progress.ended.get(host.node_rank) or _unknown(progress, host.name, host.node_rank) for host in hosts)


def _unknown(progress: Progress, host: str, node_rank: int) -> RankOutcome:
    if node_rank in progress.started or progress.chosen is not None:
        reason = "started, but its end was not seen; it may still run on the host until its lease or time limit ends it"
        return RankOutcome(host, node_rank, "lost", reason=progress.unreachable.get(host, "") or reason)
    failed = [failure.message for failure in progress.failures if failure.host == host]
    reason = progress.unreachable.get(host) or (failed[0] if failed else "")
    return RankOutcome(host, node_rank, "not_started", reason=reason)


def _interrupt_reason(progress: Progress) -> str:
    if not progress.may_have_started:
        return "interrupted before anything was started"
    return "interrupted; the end of the ranks was not seen"


def _unfinished(progress: Progress, ranks: tuple[RankOutcome, ...]) -> RunOutcome:
    """Conclude a run whose ranks started and whose playbook gave no verdict."""
    reason = "the playbook ended without a verdict"
    if progress.failures:
        last = progress.failures[0]
        reason = f"{reason}: task '{last.task}' failed on {last.host}: {last.message}"
    bad = [rank for rank in ranks if rank.state in {"failed", "timeout"}]
    if not bad:
        lost = [rank for rank in ranks if rank.host in progress.unreachable] or [
            rank for rank in ranks if rank.state == "not_started" and rank.reason
        ]
        code = EXIT_RANK_FAILED if lost else EXIT_LAUNCHER
        return RunOutcome("broken", code, _first(lost), ranks, reason=reason)
    bad.sort(key=lambda rank: float("inf") if rank.ended_at_s is None else rank.ended_at_s)
    timed_out = all(rank.state == "timeout" for rank in bad)
    state, code = ("timeout", EXIT_TIME_LIMIT) if timed_out else ("failed", EXIT_RANK_FAILED)
    return RunOutcome(state, code, _first(bad), ranks, reason=reason)


def _first(ranks: list[RankOutcome]) -> FirstFailure | None:
    return FirstFailure(ranks[0].host, ranks[0].node_rank, ranks[0].reason) if ranks else None


def _of_stop(event: RunStopped) -> RunOutcome:
    """Conclude a stop: it is well when every host was seen to be clean."""
    facts = event.facts
    seen = f"clean on {len(facts.clean)}/{facts.count} hosts"
    if facts.left:
        return RunOutcome("left", EXIT_RANK_FAILED, reason=f"{seen}; something is left on {', '.join(facts.left)}")
    if facts.unverified:
        return RunOutcome("unverified", EXIT_PREFLIGHT, reason=f"{seen}; not looked at: {', '.join(facts.unverified)}")
    return RunOutcome("clean", EXIT_OK, reason=seen if facts.found else f"{seen}; nothing of the run was there")


def _of_look(progress: Progress) -> RunOutcome:
    """Conclude a look at runs: it is well when every host told."""
    told = progress.chosen.status.unreachable if progress.chosen else {}
    silent = sorted({*told, *progress.unreachable, *(progress.listed.unreachable if progress.listed else ())})
    if silent and not progress.failures:
        return RunOutcome("partly", EXIT_PREFLIGHT, reason=f"no answer from {', '.join(silent)}")
    if progress.failures and progress.chosen is None:
        return RunOutcome("partly", EXIT_PREFLIGHT, reason=progress.failures[0].message)
    if progress.failures:
        failure = progress.failures[0]
        return RunOutcome("partly", EXIT_PREFLIGHT, reason=f"{failure.host}: {failure.message}")
    if progress.play is None or progress.play.return_code != 0:
        return RunOutcome("broken", EXIT_LAUNCHER, reason="the playbook ended before it had done everything")
    return RunOutcome("ok", EXIT_OK)


def _before_start(progress: Progress) -> RunOutcome:
    """Conclude a play in which nothing was started: a refused one, a check, a dry run."""
    if progress.unreachable:
        names = ", ".join(sorted(progress.unreachable))
        return RunOutcome("preflight", EXIT_PREFLIGHT, reason=f"not reachable: {names}")
    if progress.preflight is not None and not progress.preflight.ok:
        errors = sum(finding.severity == "error" for finding in progress.preflight.findings)
        return RunOutcome(
            "preflight", EXIT_PREFLIGHT, reason=f"preflight found {errors} error{'' if errors == 1 else 's'}"
        )
    if progress.failures:
        return _refused(progress.failures[0], planned=progress.plan is not None)
    finished = progress.play is not None and progress.play.return_code == 0
    if finished and (progress.rendered or progress.preflight is not None):
        return RunOutcome("ok", EXIT_OK)
    if finished and progress.plan is None:
        # Ansible passes over a play without hosts, and is content with that.
        reason = "the inventory has no host for this launch; check it with: ansible-inventory -i INVENTORY --graph"
        return RunOutcome("refused", EXIT_USAGE, reason=reason)
    return RunOutcome("broken", EXIT_LAUNCHER, reason="the playbook ended before it had done anything")


def _refused(failure: TaskFailed, *, planned: bool) -> RunOutcome:
    """Tell a plan that was refused (what the user gave) from a host that was not ready, and from our own faults."""
    where = f" on {failure.host}" if failure.host else ""
    reason = f"task '{failure.task}' failed{where}: {failure.message}"
    if failure.refuses_request:
        return RunOutcome("refused", EXIT_USAGE, reason=failure.message)
    if planned:
        return RunOutcome("preflight", EXIT_PREFLIGHT, reason=reason)
    return RunOutcome("broken", EXIT_LAUNCHER, reason=reason)
