# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's events become ours. The only file that knows how Ansible names and shapes its events.

Source of the names: the stdout callback ``awx_display`` of ansible-runner. A task result of the collection
carries ``madlaunch: {"kind": ...}``; live lines arrive as the ``stdout`` of ``verbose`` events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from madlaunch.answers import Finding, Json, Plan, PreparedHost, RankOutcome, RunOutcome, mapping_at
from madlaunch.events_known import (
    KNOWN_READERS,
    HostStopped,
    RankRuns,
    RunChosen,
    RunsListed,
    RunStopped,
    read_chosen,
)


class OutputLine(NamedTuple):
    """One whole line of one rank, without its newline."""

    host: str
    node_rank: int
    text: str


@dataclass(frozen=True, slots=True)
class FoldedLine:
    """One line that several ranks have printed: ``node[01-16]``, ``0-15`` and the text."""

    hosts: str
    node_ranks: str
    text: str


@dataclass(frozen=True, slots=True)
class PlanMade:
    """The ranks are decided."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class HostReachable:
    """A host was logged in to and answered."""

    host: str


@dataclass(frozen=True, slots=True)
class HostUnreachable:
    """A host could not be logged in to, or was lost later."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreflightDone:
    """All hosts were looked at; nothing is started when ``ok`` is false."""

    ok: bool
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...]
    hosts: tuple[PreparedHost, ...]


@dataclass(frozen=True, slots=True)
class RenderedScript:
    """What would run on a host under one major version of madengine; secrets are masked."""

    version: str
    text: str
    files: tuple[tuple[str, str], ...]
    """Pairs of name and text of the files beside the script."""


@dataclass(frozen=True, slots=True)
class RankRendered:
    """A dry run: what would run on one host."""

    host: str
    node_rank: int
    scripts: tuple[RenderedScript, ...]
    """One per major version that is possible, in the order of the versions."""
    refused: tuple[tuple[str, str], ...]
    """Pairs of major version and the reason why this job cannot run under it."""
    unknown: tuple[str, ...]
    """What only the host can tell."""


@dataclass(frozen=True, slots=True)
class RankStarted:
    """The supervisor of a rank runs; secrets in the command are masked."""

    host: str
    node_rank: int
    command: str
    rank_dir: str


@dataclass(frozen=True, slots=True)
class OutputLines:
    """Lines of ranks in the order of arrival."""

    lines: tuple[OutputLine, ...]


@dataclass(frozen=True, slots=True)
class RankEnded:
    """A rank has its verdict."""

    outcome: RankOutcome


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """The whole gang has ended badly and is started again."""

    outcome: RunOutcome
    max_restarts: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has its verdict."""

    outcome: RunOutcome


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know: ``level`` is error, warning or note; ``output`` is other text of Ansible."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """A task failed without an answer of its own."""

    host: str
    task: str
    action: str
    message: str
    option: str = ""
    """The variable of the playbook that was refused, if it was one."""
    hint: str = ""
    """What to do about it."""

    @property
    def refuses_request(self) -> bool:
        """Whether the task only judges what the user gave; the outcome of the run then is the message."""
        return self.action.endswith(_REQUEST_ACTIONS)


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """``ansible-playbook`` has ended; a return code of -1 means by a signal."""

    return_code: int
    canceled: bool


Event = (
    PlanMade
    | HostReachable
    | HostUnreachable
    | PreflightDone
    | RankRendered
    | RankStarted
    | OutputLines
    | FoldedLine
    | RankEnded
    | AttemptEnded
    | RunEnded
    | RunChosen
    | RunsListed
    | RankRuns
    | HostStopped
    | RunStopped
    | Note
    | TaskFailed
    | PlayEnded
)

_REQUEST_ACTIONS = ("launch_plan", "job_render", "job_select", "validate_argument_spec")
_TEXT_EVENTS = frozenset({"verbose", "warning", "system_warning", "deprecated", "error"})
_FOLDED = re.compile(r"\[(?P<hosts>[^ ]+):(?P<ranks>[0-9]+[-,][0-9,-]+)\] (?P<text>.*)\Z", re.DOTALL)
_SSH_SAID = "can be reached over ssh: "
_LEVELS = {"[WARNING]: ": "warning", "[ERROR]: ": "error", "[DEPRECATION WARNING]: ": "output"}


class Translator:
    """Translates one play; it remembers the labels of the planned hosts, by which lines are known."""

    def __init__(self) -> None:
        self._labels: dict[str, tuple[str, int]] = {}
        self._speakers: frozenset[str] = frozenset()
        self._folds = False

    def translate(self, raw: Json) -> list[Event]:
        """Return what one event of ansible-runner says; nothing for an event that does not matter here.

        Raises:
            AnswerError: The collection answered in an unknown shape.
        """
        name = raw.get("event")
        if name in _TEXT_EVENTS:
            return self._text(str(raw.get("stdout") or ""))
        data = raw.get("event_data")
        if not isinstance(data, Mapping):
            return []
        if name in {"runner_on_ok", "runner_on_failed"}:
            return self._result(data, failed=name == "runner_on_failed")
        if name == "runner_on_unreachable":
            return [HostUnreachable(str(data.get("host", "")), ssh_said(_message(mapping_at(data, "res"))))]
        return []

    def _result(self, data: Json, *, failed: bool) -> list[Event]:
        result = data.get("res")
        result = result if isinstance(result, Mapping) else {}
        answer = result.get("madlaunch")
        if isinstance(answer, Mapping) and answer.get("kind") == "start" and answer.get("error"):
            return [TaskFailed(*_names(data), message=str(answer["error"]))]
        if isinstance(answer, Mapping) and answer.get("kind") == "refused" and answer.get("message"):
            texts = {key: str(answer.get(key) or "") for key in ("message", "option", "hint")}
            return [TaskFailed(*_names(data), **texts)]
        if isinstance(answer, Mapping):
            event = self._answer(str(data.get("host", "")), answer, failed=failed)
            if event is not None:
                return [event]
        if failed and not data.get("ignore_errors"):
            return [TaskFailed(*_names(data), message=_message(result))]
        return []

    def _answer(self, host: str, answer: Json, *, failed: bool) -> Event | None:
        kind = answer.get("kind")
        if kind == "plan" and not failed:
            return self._plan(answer)
        if kind == "chosen" and not failed:
            return read_chosen(answer, self._plan(answer).plan)
        if kind == "probe" and not failed:
            return HostReachable(host)
        read = _READERS.get(str(kind))
        if read is None or (failed and kind == "render"):
            return None
        return read(answer)

    def _plan(self, answer: Json) -> PlanMade:
        plan = Plan.from_mapping(mapping_at(answer, "plan"))
        self._labels = {f"[{host.name}:{host.node_rank}": (host.name, host.node_rank) for host in plan.hosts}
        self._speakers = frozenset(f"{host.name} (rank {host.node_rank})" for host in plan.hosts)
        self._folds = plan.document.get("fold") is True
        return PlanMade(plan)

    def _text(self, stdout: str) -> list[Event]:
        """Split the text of one display call; consecutive lines of ranks stay together in one event."""
        events: list[Event] = []
        lines: list[OutputLine] = []
        for raw_line in stdout.split("\n"):
            # The pseudo-terminal of ansible-runner turns every newline into carriage return and newline.
            line = raw_line.removesuffix("\r")
            head, _, text = line.partition("] ")
            owner = self._labels.get(head) or self._labels.get(line.rstrip().removesuffix("]"))
            if owner is not None:
                lines.append(OutputLine(*owner, text))
            elif line.strip():
                if lines:
                    events.append(OutputLines(tuple(lines)))
                    lines = []
                events.append(self._folded(line) or self._note(line))
        if lines:
            events.append(OutputLines(tuple(lines)))
        return events

    def _folded(self, line: str) -> FoldedLine | None:
        """Return a line of several ranks; what a rank prints cannot look like one, as its own label comes first."""
        match = _FOLDED.match(line) if self._folds else None
        return FoldedLine(match["hosts"], match["ranks"], match["text"]) if match else None

    def _note(self, line: str) -> Note:
        """Tell what the collection says about a rank, and Ansible's warnings, from Ansible's ordinary output."""
        for prefix, level in _LEVELS.items():
            if line.startswith(prefix):
                return Note(level, line.removeprefix(prefix))
        return Note("note" if line.partition(": ")[0] in self._speakers else "output", line)


def _names(data: Json) -> tuple[str, str, str]:
    """Return host, task and action of a result."""
    return str(data.get("host") or ""), str(data.get("task") or ""), str(data.get("task_action") or "")


def _message(result: Json) -> str:
    """Return why a task failed, as a person would look for it in the result."""
    for key in ("msg", "stderr", "module_stderr", "reason"):
        text = str(result.get(key) or "").strip()
        if text:
            return text
    return "no reason was given" if "censored" not in result else "the reason is hidden (no_log)"


def ssh_said(message: str) -> str:
    """Return what ssh said, without what Ansible wraps around it."""
    said = message.rpartition(_SSH_SAID)[2].strip() or message
    return said.removeprefix("Task failed: ")


def _preflight(answer: Json) -> PreflightDone:
    findings, skipped, hosts = answer.get("findings"), answer.get("skipped"), mapping_at(answer, "hosts")
    prepared = (PreparedHost.from_mapping(name, mapping_at(hosts, name)) for name in hosts)
    return PreflightDone(
        ok=answer.get("ok") is True,
        findings=tuple(Finding.from_mapping(item) for item in _list(findings) if isinstance(item, Mapping)),
        skipped=tuple(str(name) for name in _list(skipped)),
        hosts=tuple(sorted(prepared, key=lambda host: host.node_rank)),
    )


def _started(answer: Json) -> RankStarted:
    texts = {key: str(answer.get(key) or "") for key in ("host", "command", "rank_dir")}
    return RankStarted(node_rank=_rank(answer), **texts)


def _rendered(answer: Json) -> RankRendered:
    scripts, files, refused = (mapping_at(answer, key) for key in ("scripts", "files", "refused"))
    return RankRendered(
        host=str(answer.get("host") or ""),
        node_rank=_rank(answer),
        scripts=tuple(
            RenderedScript(version, text, _pairs(mapping_at(files, version))) for version, text in _pairs(scripts)
        ),
        refused=_pairs(refused),
        unknown=tuple(str(name) for name in _list(answer.get("unknown"))),
    )


def _pairs(source: Json) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(name), str(text)) for name, text in source.items()))


def _rank(source: Json) -> int:
    rank = source.get("node_rank")
    return rank if isinstance(rank, int) else -1


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _attempt(answer: Json) -> AttemptEnded:
    allowed = answer.get("max_restarts")
    outcome = RunOutcome.from_mapping(mapping_at(answer, "outcome"))
    return AttemptEnded(outcome, allowed if isinstance(allowed, int) else 0)


_READERS: Mapping[str, Callable[[Json], Event]] = {
    "preflight": _preflight,
    "start": _started,
    "rank": lambda answer: RankEnded(RankOutcome.from_mapping(mapping_at(answer, "outcome"))),
    "result": lambda answer: RunEnded(RunOutcome.from_mapping(mapping_at(answer, "outcome"))),
    "attempt": _attempt,
    "render": _rendered,
    **KNOWN_READERS,
}
