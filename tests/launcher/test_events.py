# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of ansible-runner, as mappings, become typed events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from madlaunch.answers import (
    AnswerError,
    Finding,
    FirstFailure,
    Performance,
    PlannedHost,
    PreparedHost,
    RankOutcome,
    RunOutcome,
)
from madlaunch.events import (
    Event,
    HostReachable,
    HostUnreachable,
    Note,
    OutputLine,
    OutputLines,
    PlanMade,
    PreflightDone,
    RankEnded,
    RankRendered,
    RankStarted,
    RenderedScript,
    RunEnded,
    TaskFailed,
    Translator,
)
from tests.launcher import small_collection as small

RANK = RankOutcome(
    host="a",
    node_rank=0,
    state="ok",
    exit_code=0,
    started_at_s=100.0,
    ended_at_s=104.5,
    reason="exit code 0 and a performance value",
    performance=(Performance("tiny", "12.5", "samples/s"),),
    first_lines=("hello",),
    last_lines=("bye",),
    log_path="/logs/rank0.log",
)


def _task(answer: dict[str, Any] | None, event: str = "runner_on_ok", **result: object) -> dict[str, Any]:
    if answer is not None:
        result["madlaunch"] = answer
    names = {"host": "a", "task": "Do it", "task_action": "madlaunch.multinode.x", "res": result}
    return {"event": event, "event_data": names, "pid": 7}


def _planned() -> Translator:
    translator = Translator()
    hosts = {"a": {"node_rank": 0}, "fd00::1": {"node_rank": 1}}
    translator.translate(_task({"kind": "plan", "plan": {"run_id": "r", "hosts": hosts}}))
    return translator


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(_task({"kind": "probe", "facts": {}}), [HostReachable("a")], id="probe"),
        pytest.param(
            _task({"kind": "probe"}, "runner_on_failed", msg="no python\n"),
            [TaskFailed("a", "Do it", "madlaunch.multinode.x", "no python")],
            id="probe failed",
        ),
        pytest.param(
            _task(None, "runner_on_unreachable", msg="refused"), [HostUnreachable("a", "refused")], id="unreachable"
        ),
        pytest.param(
            _task(
                {
                    "kind": "preflight",
                    "ok": False,
                    "findings": [{"check": "gpus", "severity": "warning", "host": None, "seen": 4, "fix": "x"}],
                    "skipped": ["clock"],
                    "hosts": {"a": {"node_rank": 0, "madengine_version": "2.1.0", "nproc_per_node": 8}},
                },
                "runner_on_failed",
            ),
            [
                PreflightDone(
                    ok=False,
                    findings=(Finding("gpus", "warning", "", "4", "", "x", ""),),
                    skipped=("clock",),
                    hosts=(PreparedHost("a", 0, "2.1.0", 8),),
                )
            ],
            id="preflight failed",
        ),
        pytest.param(
            _task({"kind": "start", "host": "a", "node_rank": 0, "command": "madengine run", "rank_dir": "/r"}),
            [RankStarted("a", 0, "madengine run", "/r")],
            id="start",
        ),
        pytest.param(_task({"kind": "rank", "outcome": small.outcome("a", 0)}), [RankEnded(RANK)], id="rank"),
        pytest.param(
            _task(
                {
                    "kind": "result",
                    "outcome": {
                        "state": "failed",
                        "exit_code": 1,
                        "first_failure": {"host": "b", "node_rank": 1, "reason": "exit code 3"},
                        "ranks": [small.outcome("a", 0)],
                        "results": {"perf_csv": "/l/perf.csv", "summary_json": None},
                    },
                },
                "runner_on_failed",
            ),
            [RunEnded(RunOutcome("failed", 1, FirstFailure("b", 1, "exit code 3"), (RANK,), "/l/perf.csv"))],
            id="result",
        ),
        pytest.param(
            _task(
                {
                    "kind": "render",
                    "host": "a",
                    "node_rank": 0,
                    "scripts": {"2": "A2", "1": "A1"},
                    "files": {"1": {}, "2": {"context.json": "{}"}},
                    "refused": {"3": "no such version"},
                    "unknown": ["<GPU count of a>"],
                }
            ),
            [
                RankRendered(
                    "a",
                    0,
                    (RenderedScript("1", "A1", ()), RenderedScript("2", "A2", (("context.json", "{}"),))),
                    (("3", "no such version"),),
                    ("<GPU count of a>",),
                )
            ],
            id="render",
        ),
        pytest.param(
            _task({"kind": "render", "scripts": {}}, "runner_on_failed", msg="no form"),
            [TaskFailed("a", "Do it", "madlaunch.multinode.x", "no form")],
            id="render refused",
        ),
        pytest.param(
            _task({"kind": "start", "host": "a", "node_rank": 0, "error": "disk full"}),
            [TaskFailed("a", "Do it", "madlaunch.multinode.x", "disk full")],
            id="start refused",
        ),
        pytest.param(_task({"kind": "of a later version"}), [], id="unknown kind"),
        pytest.param(_task(None, msg="fine"), [], id="other task"),
        pytest.param(
            _task({"kind": "later"}, "runner_on_failed", msg="bad"),
            [TaskFailed("a", "Do it", "madlaunch.multinode.x", "bad")],
            id="unknown kind failed",
        ),
        pytest.param(
            _task(None, "runner_on_failed", censored="hidden"),
            [TaskFailed("a", "Do it", "madlaunch.multinode.x", "the reason is hidden (no_log)")],
            id="no_log",
        ),
        pytest.param({"event": "playbook_on_stats", "event_data": {}}, [], id="stats"),
        pytest.param({"event": "EOF"}, [], id="end of file"),
        pytest.param({}, [], id="empty"),
    ],
)
def test_translate_when_an_event_arrives_returns_what_it_says(raw: dict[str, Any], expected: list[Event]) -> None:
    """Each kind of answer has its typed event; what is unknown is silence, unless a task failed."""
    assert Translator().translate(raw) == expected


def test_translate_when_a_failure_is_ignored_by_the_playbook_says_nothing() -> None:
    """ignore_errors makes a failed task no failure."""
    raw = _task(None, "runner_on_failed", msg="bad")
    raw["event_data"]["ignore_errors"] = True
    assert Translator().translate(raw) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            'Task failed: Data could not be sent to remote host "a". Make sure this host can be reached over ssh: '
            "ssh: connect to host a port 22: Connection refused",
            "ssh: connect to host a port 22: Connection refused",
            id="wrapped",
        ),
        pytest.param("Task failed: Failed to connect: no", "Failed to connect: no", id="other wrap"),
        pytest.param("Invalid password", "Invalid password", id="bare"),
        pytest.param("can be reached over ssh: ", "can be reached over ssh:", id="ssh said nothing"),
    ],
)
def test_translate_when_a_host_is_unreachable_keeps_what_ssh_said(message: str, expected: str) -> None:
    """Ansible's own words around it tell nothing."""
    raw = {"event": "runner_on_unreachable", "event_data": {"host": "a", "res": {"msg": message}}}
    assert Translator().translate(raw) == [HostUnreachable("a", expected)]


def test_translate_when_the_plan_is_refused_keeps_the_parts_of_the_answer() -> None:
    """Option, message and hint arrive apart, so that the message can name the flag."""
    answer = {"kind": "refused", "option": "model", "message": "model is empty.", "hint": "Give one."}
    (event,) = Translator().translate(_task(answer, "runner_on_failed", msg="model is empty. Give one."))
    assert isinstance(event, TaskFailed)
    assert (event.option, event.message, event.hint) == ("model", "model is empty.", "Give one.")


def test_translate_when_the_plan_arrives_returns_it_in_rank_order() -> None:
    """Hosts come in rank order, whatever the order of the answer; the whole document is kept."""
    document = small.plan(Path("/logs"), "a", "b")
    document["hosts"] = dict(reversed(document["hosts"].items()))
    (event,) = Translator().translate(_task({"kind": "plan", "plan": document}))
    assert isinstance(event, PlanMade)
    assert event.plan.hosts == (
        PlannedHost("a", 0, "127.0.0.1"),
        PlannedHost("b", 1, "127.0.0.1"),
    )
    assert event.plan.document == document


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        pytest.param(
            "[a:0] one\r\n[fd00::1:1] [a:0] two",
            [OutputLines((OutputLine("a", 0, "one"), OutputLine("fd00::1", 1, "[a:0] two")))],
            id="lines of two hosts",
        ),
        pytest.param("[a:0] \r\n[a:0]", [OutputLines((OutputLine("a", 0, ""),) * 2)], id="empty lines"),
        pytest.param(
            "[a:0] x\x0by\u2028z\r", [OutputLines((OutputLine("a", 0, "x\x0by\u2028z"),))], id="odd separators"
        ),
        pytest.param("[b:1] x", [Note("output", "[b:1] x")], id="label not planned"),
        pytest.param(
            "[WARNING]: careful\r\n[a:0] x\r\n\r\nother",
            [Note("warning", "careful"), OutputLines((OutputLine("a", 0, "x"),)), Note("output", "other")],
            id="mixed",
        ),
        pytest.param("[ERROR]: bad", [Note("error", "bad")], id="error"),
        pytest.param("a (rank 0): connection lost", [Note("note", "a (rank 0): connection lost")], id="about a rank"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_translate_when_text_arrives_tells_lines_of_ranks_from_other_text(stdout: str, expected: list[Event]) -> None:
    """Only the exact label of a planned host makes a line; its text is kept as it is."""
    assert _planned().translate({"event": "verbose", "stdout": stdout}) == expected


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"kind": "plan", "plan": {"hosts": ["a"]}}, id="hosts as a list"),
        pytest.param({"kind": "rank", "outcome": {"node_rank": "0"}}, id="rank as a text"),
        pytest.param({"kind": "result", "outcome": "ok"}, id="outcome as a text"),
    ],
)
def test_translate_when_an_answer_has_a_wrong_shape_raises(answer: dict[str, Any]) -> None:
    """A collection of another version is told, not guessed at."""
    with pytest.raises(AnswerError, match="the collection answered") as caught:
        Translator().translate(_task(answer))
    assert caught.value.exit_code == 5
