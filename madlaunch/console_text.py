# SPDX-License-Identifier: GPL-3.0-or-later
"""A session for people: the start block, the hosts, the lines of the ranks, the results."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import TYPE_CHECKING

from madlaunch import console_known as known
from madlaunch import console_report as report
from madlaunch.errors import UsageError
from madlaunch.events import (
    AttemptEnded,
    Event,
    FoldedLine,
    HostReachable,
    HostUnreachable,
    Note,
    OutputLines,
    PlanMade,
    PreflightDone,
    RankEnded,
    RankRendered,
    RankStarted,
    TaskFailed,
)
from madlaunch.events_known import HostStopped, RankRuns, RunChosen, RunsListed, RunStopped
from madlaunch.settings_table import ENV_FILE, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from madlaunch.answers import Plan, RunOutcome
    from madlaunch.console import Voice
    from madlaunch.job import Job
    from madlaunch.request import PlayRequest

_UNREACHABLE_LISTED = 8
_LEVELS = {"error": "bad", "warning": "warn", "note": "note"}
_ENDINGS = {
    "ok": ("good", "Multi-node training completed successfully!"),
    "failed": ("bad", "Multi-node training failed"),
    "timeout": ("bad", "Multi-node training was ended by its time limit"),
    "silence": ("bad", "Multi-node training was ended by its silence limit"),
    "interrupted": ("bad", "Interrupted"),
    "preflight": ("bad", "Not ready: nothing was started"),
    "broken": ("bad", "The launcher could not follow the run to its end"),
    "detached": ("good", "The run is up and goes on by itself"),
    "left": ("bad", "The run was stopped, but not all of it ended"),
    "unverified": ("bad", "The run was stopped where its nodes could be reached"),
    "partly": ("bad", "Not every node told"),
}


class TextReporter:
    """Shows a session as text. Lines of ranks are written as they are, without any markup."""

    def __init__(self, voice: Voice, job: Job, request: PlayRequest, *, verbose: bool = False) -> None:
        self._voice = voice
        self._job = job
        self._request = request
        self._verbose = verbose
        self._run_id = request.run_id
        self._log_dir = str(job.log_dir)
        self._planned = 0
        self._reachable = 0
        self._unreachable: set[str] = set()
        self._unlisted = 0
        self._refused: TaskFailed | None = None
        self._started = False
        self._spoken = False
        self._reported = False
        self._labels: dict[tuple[str, int], str] = {}
        self._rendered: list[RankRendered] = []

    def begin(self) -> None:
        """Show the notes of the command line; in a dry run also the settings and the inventory."""
        for text in self._job.notes:
            self.note("note", text)
        if self._job.mode == "render":
            request = self._request
            self._lines(report.dry_run(self._job.settings, request.inventory, request.inventory_sources))

    def note(self, level: str, text: str) -> None:
        """Show a note on standard error."""
        self._voice.err.say(f"{self._voice.style.symbol(_LEVELS.get(level, 'note'))} {text}")

    def handle(self, event: Event) -> None:
        """Show one event."""
        self._show(event)

    @singledispatchmethod
    def _show(self, event: object) -> None:
        """Keep silent about an event that has no text of its own."""

    @_show.register
    def _(self, event: OutputLines) -> None:
        if self._started and not self._spoken:
            self._spoken = True
            self._voice.out.say()
        safe, labels = self._voice.style.safe, self._labels
        self._voice.out.say(
            "\n".join(
                f"{labels.get((host, rank)) or self._label(host, rank)}{safe(text)}" for host, rank, text in event.lines
            )
        )

    def _label(self, host: str, node_rank: int) -> str:
        label = self._labels[host, node_rank] = f"[{host}:{node_rank}] "
        return label

    @_show.register
    def _(self, event: PlanMade) -> None:
        self._planned = len(event.plan.hosts)
        if self._job.mode == "render":
            return
        self._lines(self._start_block(event.plan))

    def _start_block(self, plan: Plan) -> list[str]:
        count, style = len(plan.hosts), self._voice.style
        doing = "Starting multi-node training" if self._job.mode == "run" else "Checking multi-node training"
        inventory = "as the inventory says" if self._request.inventory_sources else "none"
        return [
            style.paint("strong", f"{doing} on {report.plural(count, 'node')}"),
            f"Model: {plan.model}",
            f"Master: {plan.master_addr}:{plan.master_port}",
            f"Shared data: {self._job.shared_data_path or inventory}",
            f"Nodes: {report.folded([host.name for host in plan.hosts])}",
            f"Run id: {plan.run_id}",
            "",
            "Checking connectivity to all nodes...",
        ]

    @_show.register
    def _(self, event: HostReachable) -> None:
        self._say("good", f"{event.host} is reachable")
        self._reachable += 1
        if self._reachable == self._planned:
            self._say("good", "All nodes are reachable")

    @_show.register
    def _(self, event: HostUnreachable) -> None:
        # Every step that tries the host again fails in the same way.
        if event.host in self._unreachable:
            return
        if len(self._unreachable) >= _UNREACHABLE_LISTED and not self._started:
            self._unlisted += 1
        else:
            self._say("bad", f"{event.host} is not reachable: {event.reason.strip()}".replace("\n", "\n    "))
        self._unreachable.add(event.host)

    def _count_unlisted(self) -> None:
        """Say how many unreachable hosts had no line of their own."""
        if self._unlisted:
            self._say("bad", f"and {self._unlisted} more")
        self._unlisted = 0

    @_show.register
    def _(self, event: PreflightDone) -> None:
        self._reported = True
        self._count_unlisted()
        self._lines(report.preflight_report(event, self._voice.style))

    @_show.register
    def _(self, event: RankStarted) -> None:
        if not self._started:
            self._voice.out.say()
        self._started = True
        command = self._voice.style.safe(event.command)
        self._say("run", f"Executing on {event.host} (rank {event.node_rank}): {command}")

    @_show.register
    def _(self, event: RankEnded) -> None:
        self._voice.out.say(report.rank_end(event.outcome, self._voice.style))

    @_show.register
    def _(self, event: FoldedLine) -> None:
        self._voice.out.say(f"[{event.hosts}:{event.node_ranks}] {self._voice.style.safe(event.text)}")

    @_show.register
    def _(self, event: AttemptEnded) -> None:
        self._started = False
        self._lines(report.attempt_end(event.outcome, event.max_restarts, self._voice.style))

    @_show.register
    def _(self, event: RankRendered) -> None:
        # Shown at the end, in the order of the ranks: the hosts answer in any order.
        self._rendered.append(event)

    @_show.register
    def _(self, event: RunChosen) -> None:
        status, style = event.status, self._voice.style
        # Only the nodes may have known which run is meant.
        self._run_id, self._log_dir = event.plan.run_id, event.plan.log_dir or self._log_dir
        if event.purpose == "status":
            self._lines(known.run_status(status, style))
        elif event.purpose != "logs":
            doing = {"attach": "Following", "stop": "Stopping", "collect": "Collecting"}[event.purpose]
            self._voice.out.say(style.paint("strong", f"{doing} run {event.plan.run_id} ({status.state})"))
        if event.purpose == "attach":
            self._voice.out.say(f"Nodes: {', '.join(host.name for host in event.plan.hosts)}")
            self._voice.out.say(f"Ctrl-C stops the run; to watch it only: launcher.py logs {event.plan.run_id} -f")

    @_show.register
    def _(self, event: RunsListed) -> None:
        self._lines(known.runs_table(event.runs, self._voice.style))
        self._lines(known.unreachable(event.unreachable.items(), self._voice.style))

    @_show.register
    def _(self, event: RankRuns) -> None:
        self._say("note", f"{event.host} (rank {event.node_rank}) has not ended; its log so far is here")

    @_show.register
    def _(self, event: HostStopped) -> None:
        what = f"{event.processes_stopped} process(es) stopped" if event.processes_stopped else "nothing was running"
        self._say("good" if event.clean else "bad", f"{event.host}: {what}{'' if event.clean else ', not clean'}")

    @_show.register
    def _(self, event: RunStopped) -> None:
        self._lines(known.stopped(event.facts, self._voice.style))

    @_show.register
    def _(self, event: TaskFailed) -> None:
        if event.refuses_request:
            self._refused = event
            return  # the end says it
        where = f" on {event.host}" if event.host else ""
        self.note("error", f"task '{event.task}' failed{where}: {event.message}")

    @_show.register
    def _(self, event: Note) -> None:
        if event.level in _LEVELS or self._verbose:
            self.note(event.level, self._voice.style.safe(event.text))

    def end(self, outcome: RunOutcome) -> None:
        """Show the results, or why there are none; in a dry run what would run on each rank."""
        for rendered in sorted(self._rendered, key=lambda each: each.node_rank):
            self._lines(report.scripts(rendered))
        self._count_unlisted()
        judged = self._job.mode in {"run", "attach", "collect"} and outcome.state != "detached"
        shown = judged and any(rank.state != "not_started" for rank in outcome.ranks)
        if shown:
            self._lines(self._results(outcome))
        kind, text = _ENDINGS.get(outcome.state, ("bad", outcome.state))
        if outcome.state == "preflight" and self._reported:
            return  # the report has said it
        if outcome.state == "refused":
            self._voice.err.say(str(self._refusal(outcome)))
            return
        if outcome.state == "clean" or (outcome.state == "ok" and not shown and self._job.mode != "run"):
            return
        first = outcome.first_failure
        said = shown and first is not None and first.reason in outcome.reason
        # Why a run was good stands with its ranks.
        reason = f": {outcome.reason}" if outcome.reason and not said and outcome.state != "ok" else ""
        code = "" if outcome.exit_code == 0 else f" (exit code {outcome.exit_code})"
        self._say(kind, f"{text}{reason}{code}")
        if outcome.state == "detached":
            self._lines(known.come_back(self._run_id))

    def _refusal(self, outcome: RunOutcome) -> UsageError:
        """Return what was refused, in the form of every other unusable setting."""
        refused = self._refused
        if refused is None:
            return UsageError(outcome.reason)
        # A dry run tells per host what it refuses, in a message that begins with the variable.
        option = refused.option or refused.message.partition(" ")[0]
        name = {"container_env_secret": ENV_FILE.name}.get(option, option)
        setting = next((row for row in TABLE if name in {row.name, row.variable_name} and not row.positional), None)
        if setting is None:
            return UsageError(refused.message, next_step=refused.hint)
        advice = refused.hint or f"correct {setting.flag}; launcher.py run --help explains it"
        return UsageError(f"{setting.flag}: {refused.message.removeprefix(option + ' ')}", next_step=advice)

    def _results(self, outcome: RunOutcome) -> list[str]:
        style = self._voice.style
        good = sum(rank.state == "ok" for rank in outcome.ranks)
        kind = "good" if good == len(outcome.ranks) else "bad"
        # Without a value the file has headings only.
        measured = outcome.state == "ok" or any(rank.performance for rank in outcome.ranks)
        places = (
            ("Run id", self._run_id), ("Logs", self._log_dir),
            ("Performance", outcome.perf_csv if measured else ""), ("Summary", outcome.summary_json),
        )  # fmt: skip
        return [
            "",
            style.paint("strong", "Training Results:"),
            *report.first_failure(outcome, style),
            *report.rank_table(outcome.ranks, style),
            *report.cleanliness(outcome, self._run_id, style),
            *(f"{label}: {style.safe(text)}" for label, text in places if text),
            f"{style.symbol(kind)} Successful nodes: {good}/{len(outcome.ranks)}",
        ]

    def _say(self, kind: str, text: str) -> None:
        self._voice.out.say(f"{self._voice.style.symbol(kind)} {text}")

    def _lines(self, lines: Iterable[str]) -> None:
        text = "\n".join(lines)
        if text:
            self._voice.out.say(text)
