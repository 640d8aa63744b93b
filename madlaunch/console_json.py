# SPDX-License-Identifier: GPL-3.0-or-later
"""A session for programs: one JSON object a line on standard output, the outcome last.

Every line has ``schema`` (1), ``event`` and ``time_s`` (seconds since the epoch on the control node). By event:

==============  ======================================================================================
event           further keys
==============  ======================================================================================
begin           run_id, mode, model, log_dir, settings [{name, value, source, group}]
plan            plan {run_id, model, nnodes, master_addr, master_port, hosts {name: {node_rank, ...}}, ...}
reachable       host
unreachable     host, reason
preflight       ok, findings [{check, severity, host, seen, expected, fix, message}], skipped [name],
                hosts [{host, node_rank, madengine_version, nproc_per_node}]
render          host, node_rank, scripts {major version: {text, files {name: text}}},
                refused {major version: reason}, unknown [text]
start           host, node_rank, command (secrets masked), rank_dir
line            host, node_rank, text (colors and other escapes taken out)
rank            outcome of one rank: host, node_rank, state, exit_code, signal, started_at_s, ended_at_s,
                reason, performance [{model, performance, metric}], first_lines, last_lines, log_path,
                clean (true: seen with nothing of the run left; null: nobody could look), left [text]
folded_line     hosts, node_ranks (as shown: "0-15"), text; with --fold, in place of a line of each rank
attempt         max_restarts, outcome [as in outcome]: all has failed, and all is started again
chosen          purpose (the verb), run_id, status {run_id, model, owner, nnodes, state (running, ended, unknown),
                ranks [{host, node_rank, state, attempt, exit_code, signal, ended_by, stop_reason, runtime_s,
                last_line, last_output_age_s, log_size_bytes}], missing_ranks [rank], unreachable {host: reason}}
runs            runs [{run_id, model, nnodes, started_at_s, state, hosts, owner, log_dir}], unreachable
                {host: reason}
running         host, node_rank (collect: this rank has not ended)
stop            host, found, clean, processes_stopped
stopped         run_id, found, clean [host], left {host: [text]}, unverified {host: reason}
note            level (error, warning, note, output), text
task_failed     host, task, action, message, option (the variable that was refused, or ''), hint
outcome         last line, once: run_id, state, exit_code, first_failure {host, node_rank, reason} or null,
                ranks [as in rank], perf_csv, summary_json, reason, attempt (0 for the first), attempts [outcome]
==============  ======================================================================================

Texts are as the node gave them; secrets are masked. Keys may be added within schema 1, none changes or goes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import singledispatch
from typing import TYPE_CHECKING

from madlaunch.console_style import Style
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

if TYPE_CHECKING:
    from madlaunch.answers import RunOutcome
    from madlaunch.console import Voice
    from madlaunch.job import Job

SCHEMA = 1
_PLAIN = Style(color=False, unicode=True)


class JsonReporter:
    """Shows a session as JSON lines; notes of the launcher itself go to standard error as text."""

    def __init__(self, voice: Voice, job: Job, clock: Callable[[], float] = time.time) -> None:
        self._voice = voice
        self._job = job
        self._run_id = job.run_id
        self._clock = clock

    def begin(self) -> None:
        """Write the first line, and the notes of the command line to standard error."""
        job = self._job
        for text in job.notes:
            self.note("note", text)
        self._write(
            "begin",
            {
                "run_id": job.run_id,
                "mode": job.mode,
                "model": job.model,
                "log_dir": str(job.log_dir),
                "settings": [asdict(row) for row in job.settings],
            },
        )

    def note(self, level: str, text: str) -> None:
        """Write a note to standard error."""
        self._voice.err.say(f"{level}: {text}")

    def handle(self, event: Event) -> None:
        """Write what an event says; an event of many lines becomes as many objects, written at once."""
        now_s = round(self._clock(), 3)
        if isinstance(event, RunChosen):
            self._run_id = event.plan.run_id
        lines = [_object(name, keys, now_s) for name, keys in _said(event)]
        if lines:
            self._voice.out.say("\n".join(lines))

    def end(self, outcome: RunOutcome) -> None:
        """Write the outcome, the last line."""
        self._write("outcome", {"run_id": self._run_id, **asdict(outcome)})

    def _write(self, name: str, keys: dict[str, object]) -> None:
        self._voice.out.say(_object(name, keys, round(self._clock(), 3)))


def list_object(event: RunsListed) -> str:
    """Return the one object of a list of runs that no playbook had to tell."""
    ((name, keys),) = _said(event)
    return _object(name, keys, round(time.time(), 3))


def _object(name: str, keys: dict[str, object], now_s: float) -> str:
    return json.dumps({"schema": SCHEMA, "event": name, "time_s": now_s, **keys}, ensure_ascii=True, default=str)


@singledispatch
def _said(event: object) -> Iterable[tuple[str, dict[str, object]]]:
    """Return the names and keys of the objects that an event becomes; none by default."""
    del event
    return ()


@_said.register
def _(event: OutputLines) -> Iterable[tuple[str, dict[str, object]]]:
    for host, node_rank, text in event.lines:
        yield "line", {"host": host, "node_rank": node_rank, "text": _PLAIN.safe(text)}


@_said.register
def _(event: PlanMade) -> Iterable[tuple[str, dict[str, object]]]:
    yield "plan", {"plan": dict(event.plan.document)}


@_said.register
def _(event: HostReachable) -> Iterable[tuple[str, dict[str, object]]]:
    yield "reachable", asdict(event)


@_said.register
def _(event: HostUnreachable) -> Iterable[tuple[str, dict[str, object]]]:
    yield "unreachable", asdict(event)


@_said.register
def _(event: PreflightDone) -> Iterable[tuple[str, dict[str, object]]]:
    yield "preflight", asdict(event)


@_said.register
def _(event: RankRendered) -> Iterable[tuple[str, dict[str, object]]]:
    scripts = {script.version: {"text": script.text, "files": dict(script.files)} for script in event.scripts}
    yield (
        "render",
        {**asdict(event), "scripts": scripts, "refused": dict(event.refused)},
    )


@_said.register
def _(event: RankStarted) -> Iterable[tuple[str, dict[str, object]]]:
    yield "start", asdict(event)


@_said.register
def _(event: RankEnded) -> Iterable[tuple[str, dict[str, object]]]:
    yield "rank", asdict(event.outcome)


@_said.register
def _(event: FoldedLine) -> Iterable[tuple[str, dict[str, object]]]:
    yield "folded_line", {**asdict(event), "text": _PLAIN.safe(event.text)}


@_said.register
def _(event: AttemptEnded) -> Iterable[tuple[str, dict[str, object]]]:
    yield "attempt", asdict(event)


@_said.register
def _(event: RunChosen) -> Iterable[tuple[str, dict[str, object]]]:
    status = {**asdict(event.status), "unreachable": dict(event.status.unreachable)}
    yield "chosen", {"purpose": event.purpose, "run_id": event.plan.run_id, "status": status}


@_said.register
def _(event: RunsListed) -> Iterable[tuple[str, dict[str, object]]]:
    yield "runs", {"runs": [asdict(run) for run in event.runs], "unreachable": dict(event.unreachable)}


@_said.register
def _(event: RankRuns) -> Iterable[tuple[str, dict[str, object]]]:
    yield "running", asdict(event)


@_said.register
def _(event: HostStopped) -> Iterable[tuple[str, dict[str, object]]]:
    yield "stop", asdict(event)


@_said.register
def _(event: RunStopped) -> Iterable[tuple[str, dict[str, object]]]:
    yield "stopped", asdict(event.facts)


@_said.register
def _(event: Note) -> Iterable[tuple[str, dict[str, object]]]:
    yield "note", asdict(event)


@_said.register
def _(event: TaskFailed) -> Iterable[tuple[str, dict[str, object]]]:
    yield "task_failed", asdict(event)
