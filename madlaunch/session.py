# SPDX-License-Identifier: GPL-3.0-or-later
"""One session: a play from its first event to its exit code, on the screen and in the run record."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from madlaunch import __version__, aftermath, runs, stop_request
from madlaunch.answers import RunOutcome
from madlaunch.console import Reporter, Voice
from madlaunch.console_json import JsonReporter, list_object
from madlaunch.console_known import come_back, runs_table
from madlaunch.console_text import TextReporter
from madlaunch.errors import EXIT_INTERRUPTED, LauncherError, UsageError
from madlaunch.events import AttemptEnded, Event, PlanMade, RankEnded, TaskFailed
from madlaunch.events_known import RunChosen, RunsListed, RunStopped
from madlaunch.outcome import Progress, conclude, fold
from madlaunch.run import Play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from madlaunch.answers import Plan
    from madlaunch.answers_known import RunOverview, StopFacts
    from madlaunch.job import Job
    from madlaunch.request import ConsoleOptions, PlayRequest

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A stop takes the ladder SIGINT, SIGTERM, SIGKILL with a grace after each, the removal of containers and the
# collection of what is there; a host that was lost takes its connection timeout besides.
_STOP_GRACES = 3
# The same press can come twice (a terminal and a wrapper both pass it on), and nobody reads the message faster.
_LEAVE_AFTER_S = 1.0
# These follow a run to its end, and so end it when they are interrupted.
_FOLLOWING = ("run", "attach")
# Modes in which a run is planned that was not there before.
_NEW = frozenset({"run", "check"})
_STOP_LIMIT_S = 180.0
# A host that is looking at something slow is left alone after that.
_PREFLIGHT_LIMIT_S = 10.0


class Playing(Protocol):
    """What a session needs of a play."""

    def events(self, idle: Callable[[], None]) -> Iterator[Event]:
        """Yield the events; call ``idle`` several times a second."""

    def cancel(self) -> None:
        """End the playbook."""


class Interrupts:
    """Counts SIGINT, SIGTERM and SIGHUP, all of which ask for a stop.

    A second SIGINT, if it comes at least ``_LEAVE_AFTER_S`` after the first, raises ``KeyboardInterrupt`` wherever the
    session is; SIGTERM and SIGHUP never do, however often they come. What comes after that is ignored: the session is
    leaving and has only its record to write.
    """

    def __init__(self) -> None:
        self.count = 0
        self._pressed_at_s: float | None = None
        self._leaving = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Take the signals over for a while; an ignored SIGHUP (``nohup``) stays ignored."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN or number == signal.SIGTERM:
                signal.signal(number, self._take)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.count += 1
        if number != signal.SIGINT or self._leaving:
            return
        now_s = time.monotonic()
        if self._pressed_at_s is None:
            self._pressed_at_s = now_s
        elif now_s - self._pressed_at_s >= _LEAVE_AFTER_S:
            self._leaving = True
            raise KeyboardInterrupt


class Session:
    """Follows one play: shows it, folds it, stops it on an interrupt, keeps its record."""

    def __init__(
        self, request: PlayRequest, job: Job, reporter: Reporter, play_of: Callable[[PlayRequest], Playing] = Play
    ) -> None:
        self._request = request
        self._play_of = play_of
        self._job = job
        self._reporter = reporter
        self._progress = Progress()
        self._interrupts = Interrupts()
        self._stop_by_s: float | None = None
        self._run_id = request.run_id
        self._record_dir = request.record_dir
        self._kept = job.mode == "run"
        self._record = runs.RunRecord(
            run_id=request.run_id,
            launcher_version=__version__,
            started_at_s=time.time(),
            mode=job.mode,
            model=job.model,
            log_dir=str(job.log_dir),
            inventory=runs.masked(request.inventory),
            inventory_sources=request.inventory_sources,
            settings=tuple(asdict(row) for row in job.settings),
            given=job.given,
        )

    def run(self, play: Playing) -> int:
        """Run to the end and return the exit code.

        Raises:
            LauncherError: The playbook could not be run, or the record could not be written. What was known
                until then is in the record.
        """
        with self._interrupts.caught():
            self._open()
            self._reporter.begin()
            try:
                self._follow(play)
                outcome = conclude(self._progress)
                if self._lost_its_playbook():
                    outcome = aftermath.stopped(outcome, self._stopped())
            except KeyboardInterrupt:
                return self._leave()
            except LauncherError as error:
                if not self._interrupts.count:
                    self._close(replace(conclude(self._progress), exit_code=error.exit_code, reason=error.problem))
                    raise
                outcome = conclude(self._progress)
            self._close(outcome)
            if self._job.mode == "stop" and outcome.state == "clean":
                self._note_stop()
            self._reporter.end(outcome)
            return outcome.exit_code

    def _follow(self, play: Playing) -> None:
        for event in play.events(lambda: self._look(play)):
            self._progress = fold(self._progress, event)
            if not (isinstance(event, TaskFailed) and self._progress.interrupted):
                # What ends because of an interrupt is no news.
                self._reporter.handle(event)
            if isinstance(event, PlanMade):
                self._save(plan=runs.masked(event.plan.document))
            elif isinstance(event, RunChosen):
                self._chosen(event)
            elif isinstance(event, (RankEnded, AttemptEnded)):
                # So that a launcher that is killed later leaves what it knew.
                self._save(outcome=conclude(self._progress))

    def _lost_its_playbook(self) -> bool:
        """Tell whether the playbook ended without a verdict while ranks may be running, and nobody asked it to."""
        known = self._progress
        return (
            self._job.mode in _FOLLOWING and known.may_have_started and known.verdict is None and not known.interrupted
        )

    def _stopped(self) -> StopFacts | None:
        """Stop the ranks by a playbook of its own; None if that one told nothing either, or was interrupted."""
        self._reporter.note("error", "ansible-playbook ended without a verdict: stopping every rank")
        play = self._play_of(aftermath.stopping(self._request, self._run_id))
        facts = None
        try:
            for event in play.events(lambda: play.cancel() if self._interrupts.count else None):
                if isinstance(event, RunStopped):
                    facts = event.facts
        except LauncherError as error:
            self._reporter.note("error", error.problem)
        return facts

    # --- interrupts ------------------------------------------------------------------------------------------------

    def _look(self, play: Playing) -> None:
        """Act on an interrupt, once; after the stop limit give the playbook up."""
        if not self._interrupts.count:
            return
        if self._stop_by_s is None:
            self._stop(play)
        elif time.monotonic() > self._stop_by_s:
            self._stop_by_s = float("inf")
            if self._progress.may_have_started:
                self._reporter.note("error", "the ranks did not stop in time; giving up waiting for them")
            play.cancel()

    def _stop(self, play: Playing) -> None:
        self._progress = replace(self._progress, interrupted=True)
        plan = self._progress.plan
        grace_s = plan.grace_s if plan else 0
        self._stop_by_s = time.monotonic() + _STOP_GRACES * grace_s + _STOP_LIMIT_S
        asked = False
        if self._job.mode in _FOLLOWING and (plan is not None or self._progress.may_have_started):
            # Not earlier: the plan claims the directory of the run, which must be new.
            asked = self._request_stop()
        if asked and self._progress.may_have_started:
            text = "interrupted: stopping every rank and waiting for it; once more to leave at once"
            self._reporter.note("warning", text)
            return
        told = {"run": "interrupted before anything was started", "stop": self._again("interrupted", "stop")}
        self._reporter.note("warning", told.get(self._job.mode, "interrupted"))
        if asked:
            # So that the hosts can take back what the preflight has there: the listener on the master port, the nonce.
            self._stop_by_s = time.monotonic() + _PREFLIGHT_LIMIT_S
        else:
            play.cancel()

    def _again(self, what: str, *verbs: str) -> str:
        """Return what happened to the session, and the commands by which the run is found again."""
        return "\n".join((f"{what}; the run is known as {self._run_id}:", *come_back(self._run_id, *verbs)))

    def _request_stop(self) -> bool:
        """Leave the stop request where the followers of the collection look for it; tell whether it is there."""
        plan = self._progress.plan
        problem = stop_request.leave(Path(plan.log_dir if plan and plan.log_dir else self._job.log_dir) / "control")
        if problem:
            self._reporter.note("error", f"the ranks cannot be asked to stop: {problem}; {_what_ends_it(plan)}")
        return not problem

    def _leave(self) -> int:
        """End at once after the second SIGINT; what runs on the nodes is left to its lease and limit."""
        self._progress = replace(self._progress, interrupted=True)
        outcome = conclude(self._progress)
        self._close(outcome)
        if self._job.mode in _FOLLOWING and self._progress.may_have_started:
            self._request_stop()
            plan = self._progress.plan
            # The lease is not lifted: it ends a rank that the request to stop did not reach.
            left = (
                f"left while the ranks were being asked to stop, and nobody has seen their end; {_what_ends_it(plan)}"
            )
            self._reporter.note("warning", self._again(left, "status", "stop"))
        self._reporter.end(outcome)
        return EXIT_INTERRUPTED

    # --- record ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._job.mode in _NEW:
            self._make_places()
        if self._kept:
            self._save()
        if self._job.mode in _FOLLOWING and self._request.run_id:
            self._hold()

    def _make_places(self) -> None:
        """Make the directories of a run that does not exist yet.

        Here, and not by the collection: a place that takes no files is to be known before Ansible is started.
        """
        apart = self._job.log_dir != self._request.record_dir
        if apart:
            runs.make_log_directory(self._job.log_dir)
        if self._kept or not apart:
            runs.create_directory(self._request.record_dir)

    def _hold(self) -> None:
        """Be the only one on this machine that follows the run: two would write the same logs.

        Raises:
            UsageError: Another launcher follows it.
        """
        if runs.hold(self._record_dir):
            return
        problem = f"another launcher on this machine follows run {self._run_id}"
        next_step = f"watch it with: launcher.py logs {self._run_id} -f"
        raise UsageError(problem, allowed="one launcher for a run", next_step=next_step)

    def _chosen(self, event: RunChosen) -> None:
        """Go on with the record of the run that is followed again, or brought home; make it if there is none."""
        self._run_id = event.plan.run_id
        if event.purpose not in {"attach", "collect"}:
            return
        if not self._request.run_id:
            self._record_dir = self._request.record_dir / self._run_id
        try:
            self._record_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._record = runs.read_record(self._record_dir)
        except (OSError, runs.RecordError):
            self._record = replace(self._record, run_id=self._run_id, model=event.plan.model, mode="run")
            self._record = replace(self._record, log_dir=event.plan.log_dir, given=self._job.given)
            self._record = replace(self._record, plan=runs.masked(event.plan.document))
        self._kept = event.purpose == "attach" or event.status.state == "ended"
        if self._kept:
            self._save(ended_at_s=None)

    def _close(self, outcome: RunOutcome) -> None:
        self._save(outcome=outcome, exit_code=outcome.exit_code, ended_at_s=time.time())

    def _note_stop(self) -> None:
        """Write the end of a run that nobody follows on this machine; a launcher that follows it writes its own."""
        with suppress(OSError, runs.RecordError):
            directory = self._request.record_dir if self._request.run_id else self._request.record_dir / self._run_id
            record = runs.read_record(directory)
            left = record.ended_at_s is None or (record.outcome is not None and record.outcome.state == "detached")
            if left and runs.hold(directory):
                outcome = RunOutcome("stopped", EXIT_INTERRUPTED, reason="stopped by the verb stop")
                ended = replace(record, outcome=outcome, exit_code=outcome.exit_code, ended_at_s=time.time())
                runs.write_record(directory, ended)

    def _save(self, **changes: object) -> None:
        """Write the record, changed; a full disk must not end a run that goes on."""
        self._record = replace(self._record, **changes)  # type: ignore[arg-type] # the names are those of the record
        if not self._kept:
            return
        try:
            runs.write_record(self._record_dir, self._record)
        except runs.RecordError as error:
            if self._progress.plan is None:
                raise
            self._reporter.note("error", error.problem)


def _what_ends_it(plan: Plan | None) -> str:
    """Say what ends a run that is left alone."""
    lease_s = plan.document.get("lease_s") if plan else None
    if lease_s == 0:
        return "it has no lease: the nodes end it at its time limit, if it has one"
    seconds = f" of {lease_s} s" if lease_s else ""
    return f"the nodes end it when its lease{seconds} runs out"


def reporter_for(request: PlayRequest, job: Job, options: ConsoleOptions) -> Reporter:
    """Return what shows the session, on standard output and standard error."""
    voice = Voice.standard(request.secrets.texts(), os.environ)
    if options.output == "json":
        return JsonReporter(voice, job)
    return TextReporter(voice, job, request, verbose=options.verbose)


def show_list(output: Literal["text", "json"], found: tuple[RunOverview, ...]) -> None:
    """Show the runs of this machine, which no playbook has to tell."""
    voice = Voice.standard((), os.environ)
    if output == "json":
        voice.out.say(list_object(RunsListed(found, {})))
    else:
        voice.out.say("\n".join(runs_table(found, voice.style)))


def run_session(request: PlayRequest, job: Job, options: ConsoleOptions) -> int:
    """Run one play, show it, keep its record, and return the exit code.

    Raises:
        LauncherError: The playbook could not be run at all; ``cli.main`` shows it.
    """
    return Session(request, job, reporter_for(request, job, options)).run(Play(request))
