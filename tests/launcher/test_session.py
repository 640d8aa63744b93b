# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole session: events in, screen, record and exit code out; interrupts with real signals."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from madlaunch import runs, session
from madlaunch.answers import Plan
from madlaunch.answers_known import StopFacts
from madlaunch.errors import LauncherError
from madlaunch.events import Event, Note, OutputLines, PlanMade, PlayEnded, PreflightDone, RankStarted
from madlaunch.events_known import RunStopped
from madlaunch.request import ConsoleOptions, PlayRequest
from madlaunch.run import Play
from madlaunch.session import Session, run_session
from tests.launcher import small_collection as small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from madlaunch.answers import RunOutcome


class Screen:
    """Records what a session shows, and acts when the first event of a kind is shown."""

    def __init__(self, when: type | None = None, act: Callable[[], None] = lambda: None) -> None:
        self.events: list[Event] = []
        self.notes: list[str] = []
        self.outcome: RunOutcome | None = None
        self._when = when
        self._act = act

    def begin(self) -> None:
        """Show nothing."""

    def handle(self, event: Event) -> None:
        """Record the event."""
        self.events.append(event)
        if self._when is not None and isinstance(event, self._when):
            self._when = None
            self._act()

    def note(self, level: str, text: str) -> None:
        """Record the note."""
        self.notes.append(f"{level}: {text}")

    def end(self, outcome: RunOutcome) -> None:
        """Record the outcome."""
        self.outcome = outcome


class Scripted:
    """A play without a playbook: given events, then idle until it is canceled."""

    def __init__(self, *events: Event, error: Exception | None = None) -> None:
        self._events = events
        self._error = error
        self.canceled = False

    def events(self, idle: Callable[[], None]) -> Iterator[Event]:
        """Yield the events; end when canceled."""
        for event in self._events:
            idle()
            yield event
        if self._error is not None:
            raise self._error
        if self._events and isinstance(self._events[-1], PlayEnded):
            return
        for _ in range(2000):
            idle()
            if self.canceled:
                yield PlayEnded(-1, canceled=True)
                return
            time.sleep(0.005)
        pytest.fail("the play was never canceled")

    def cancel(self) -> None:
        """End soon."""
        self.canceled = True


def _send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def _result(*ranks: dict[str, Any], state: str = "ok", exit_code: int = 0) -> dict[str, Any]:
    return {"kind": "result", "outcome": {"state": state, "exit_code": exit_code, "ranks": list(ranks), "results": {}}}


READY = {"kind": "preflight", "ok": True, "findings": [], "skipped": [], "hosts": {}}
START = {"kind": "start", "host": "a", "node_rank": 0, "command": "madengine run", "rank_dir": "/r"}


def test_run_session_when_all_goes_well_shows_it_keeps_the_record_and_returns_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real road: a playbook through ansible-runner to the screen and the record."""
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(answer={"kind": "probe"}),
        small.task(answer=READY),
        small.task(answer=START),
        small.task(show=["[a:0] Starting training..."], answer={"kind": "rank", "outcome": small.outcome("a", 0)}),
        small.task(answer=_result(small.outcome("a", 0))),
    )
    monkeypatch.setattr("madlaunch.run.find_collection", lambda: root)
    record_dir = tmp_path / "state" / "run-1"
    assert run_session(small.request(record_dir), small.job(record_dir), ConsoleOptions()) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "[a:0] Starting training...\n" in shown.out
    assert shown.out.endswith("Successful nodes: 1/1\n✓ Multi-node training completed successfully!\n")
    record = runs.read_record(record_dir)
    assert (record.exit_code, record.plan["model"], record.inventory) == (
        0,
        "tiny",
        {"all": {"hosts": {"a": {"ansible_connection": "local"}}}},
    )
    assert record.outcome is not None
    assert [(rank.host, rank.state, rank.log_path) for rank in record.outcome.ranks] == [("a", "ok", "/logs/rank0.log")]


def test_session_when_interrupted_while_ranks_run_asks_for_the_stop_and_waits(tmp_path: Path) -> None:
    """The stop request is where the followers look; the play goes on to its own end; exit code 130."""
    stop = tmp_path / "logs" / "control" / "stop"
    stopped = small.outcome("a", 0, "stopped")
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path / "logs", "a")}),
        small.task(answer=READY),
        small.task(answer=START),
        small.task(show=["[a:0] x"], wait_for=str(stop), answer={"kind": "rank", "outcome": stopped}),
        small.task(answer=_result(stopped, state="interrupted", exit_code=130)),
    )
    screen = Screen(OutputLines, _send(signal.SIGINT))
    request = small.request(tmp_path / "record")
    code = Session(request, small.job(tmp_path / "logs"), screen).run(Play(request, root))
    assert code == 130
    assert json.loads(stop.read_text()) == {"reason": "interrupt"}
    assert screen.outcome is not None
    assert [rank.state for rank in screen.outcome.ranks] == ["stopped"]
    assert screen.notes == ["warning: interrupted: stopping every rank and waiting for it; once more to leave at once"]
    assert runs.read_record(tmp_path / "record").exit_code == 130


def test_session_when_interrupted_in_the_preflight_ends_the_playbook(tmp_path: Path) -> None:
    """Nothing was started, so nothing is waited for."""
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path / "logs", "a")}),
        small.task(wait_for=str(tmp_path / "never"), limit_s=60),
    )
    request = small.request(tmp_path / "record")
    screen = Screen(PlanMade, _send(signal.SIGTERM))
    started_s = time.monotonic()
    assert Session(request, small.job(tmp_path / "logs"), screen).run(Play(request, root)) == 130
    assert time.monotonic() - started_s < 15
    assert screen.outcome is not None
    assert screen.outcome.reason == "interrupted before anything was started"
    assert [rank.state for rank in screen.outcome.ranks] == ["not_started"]


RUNNING = PreflightDone(ok=True, findings=(), skipped=(), hosts=())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_session_when_any_ending_signal_comes_stops_and_restores_the_handlers(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM and SIGHUP act like Ctrl-C; a play that does not end in time is given up."""
    monkeypatch.setattr(session, "_STOP_LIMIT_S", 0.05)
    before = signal.getsignal(number)
    screen, play = Screen(PreflightDone, _send(number)), Scripted(RUNNING)
    assert Session(small.request(tmp_path), small.job(tmp_path), screen).run(play) == 130
    assert (tmp_path / "control" / "stop").exists()
    assert play.canceled
    assert screen.notes[-1] == "error: the ranks did not stop in time; giving up waiting for them"
    assert signal.getsignal(number) is before


def test_session_when_interrupted_before_the_plan_makes_no_directory_of_the_run(tmp_path: Path) -> None:
    """The plan claims that directory, and a new one is the sign that the run id is free."""
    screen, play = Screen(Note, _send(signal.SIGINT)), Scripted(Note("output", "x"))
    assert Session(small.request(tmp_path / "record"), small.job(tmp_path / "logs"), screen).run(play) == 130
    assert play.canceled
    assert not (tmp_path / "logs" / "control").exists()
    assert screen.notes == ["warning: interrupted before anything was started"]


@pytest.mark.parametrize(
    ("numbers", "wait_s"),
    [
        pytest.param((signal.SIGINT, signal.SIGINT), 60.0, id="the same press twice"),
        pytest.param((signal.SIGHUP, signal.SIGHUP), 0.0, id="hangup of shell and terminal"),
        pytest.param((signal.SIGTERM, signal.SIGTERM), 0.0, id="a batch system that insists"),
        pytest.param((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), 0.0, id="others after Ctrl-C"),
        pytest.param((signal.SIGTERM, signal.SIGINT), 0.0, id="the first Ctrl-C"),
    ],
)
def test_session_when_other_signals_follow_the_first_still_waits_for_the_ranks(
    tmp_path: Path, numbers: tuple[signal.Signals, ...], wait_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a second Ctrl-C, and not one that comes with the first, leaves the ranks alone."""
    monkeypatch.setattr(session, "_STOP_LIMIT_S", 0.05)
    monkeypatch.setattr(session, "_LEAVE_AFTER_S", wait_s)

    def send() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    screen, play = Screen(PreflightDone, send), Scripted(RUNNING)
    assert Session(small.request(tmp_path), small.job(tmp_path), screen).run(play) == 130
    assert play.canceled
    assert screen.notes[-1] == "error: the ranks did not stop in time; giving up waiting for them"


def test_session_when_interrupted_twice_leaves_at_once_and_tells_the_run_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second Ctrl-C does not wait for the nodes."""
    monkeypatch.setattr(session, "_LEAVE_AFTER_S", 0.0)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    screen, play = Screen(PreflightDone, twice), Scripted(RUNNING)
    assert Session(small.request(tmp_path), small.job(tmp_path), screen).run(play) == 130
    assert "the run is known as run-1:" in screen.notes[-1]
    assert "launcher.py stop run-1" in screen.notes[-1]
    assert not play.canceled
    assert (tmp_path / "control" / "stop").exists()
    assert runs.read_record(tmp_path).exit_code == 130


def test_session_when_the_playbook_cannot_run_keeps_that_in_the_record_and_raises(tmp_path: Path) -> None:
    """The error goes on to the command line; the record has its exit code and reason."""
    play = Scripted(error=LauncherError("no such playbook"))
    with pytest.raises(LauncherError, match="no such playbook"):
        Session(small.request(tmp_path), small.job(tmp_path), Screen()).run(play)
    record = runs.read_record(tmp_path)
    assert record.exit_code == 5
    assert record.outcome is not None
    assert record.outcome.reason == "no such playbook"


def test_session_when_a_failed_rank_asked_for_the_stop_before_leaves_its_request(tmp_path: Path) -> None:
    """Who failed first stays known when the user presses Ctrl-C after it."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "stop").write_text('{"reason": "gang"}')
    Session(small.request(tmp_path), small.job(tmp_path), Screen(PreflightDone, _send(signal.SIGINT))).run(
        Scripted(RUNNING, PreflightDone(ok=True, findings=(), skipped=(), hosts=()), PlayEnded(2, canceled=False))
    )
    assert [(path.name, path.read_text()) for path in (tmp_path / "control").iterdir()] == [
        ("stop", '{"reason": "gang"}')
    ]


@pytest.mark.parametrize("mode", ["check", "render"])
def test_session_when_nothing_will_be_started_keeps_no_record(tmp_path: Path, mode: str) -> None:
    """A check and a dry run are no runs."""
    play = Scripted(RUNNING, PlayEnded(0, canceled=False))
    assert Session(small.request(tmp_path / "r"), small.job(tmp_path / "r", mode=mode), Screen()).run(play) == 0
    assert not (tmp_path / "r" / "run.json").exists()


def test_session_when_the_run_id_is_taken_starts_nothing(tmp_path: Path) -> None:
    """The record of an earlier run stays as it is."""
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(runs.RecordError, match="is taken"):
        Session(small.request(tmp_path), small.job(tmp_path), Screen()).run(Scripted())
    assert (tmp_path / "run.json").read_text() == "{}"


@pytest.mark.parametrize("mode", ["run", "check"])
@pytest.mark.parametrize("named", ["MADLAUNCH_STATE_DIR", "--log-dir"])
def test_session_when_a_place_takes_no_files_says_so_before_the_play(tmp_path: Path, mode: str, named: str) -> None:
    """A path below a file: a usage error that names the flag or the variable and the reason; nothing was played."""
    (tmp_path / "file").touch()
    bad, good = tmp_path / "file" / "below", tmp_path / "good"
    record_dir, log_dir = (good, bad) if named == "--log-dir" else (bad, bad)
    screen = Screen()
    with pytest.raises(runs.RecordError, match="Not a directory") as caught:
        Session(small.request(record_dir), small.job(log_dir, mode=mode), screen).run(Scripted(RUNNING))
    assert named in str(caught.value)
    assert caught.value.exit_code == 2
    assert (screen.events, good.exists()) == ([], False)


@pytest.mark.parametrize(
    ("lease_s", "expected"),
    [
        pytest.param(60, "the nodes end it when its lease of 60 s runs out", id="lease"),
        pytest.param(0, "it has no lease: the nodes end it at its time limit, if it has one", id="no lease"),
    ],
)
def test_session_when_left_at_once_tells_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lease_s: int, expected: str
) -> None:
    """The user knows how long the ranks may go on."""
    monkeypatch.setattr(session, "_LEAVE_AFTER_S", 0.0)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    plan = PlanMade(Plan.from_mapping(small.plan(tmp_path, "a", lease_s=lease_s)))
    screen = Screen(PreflightDone, twice)
    assert Session(small.request(tmp_path), small.job(tmp_path), screen).run(Scripted(plan, RUNNING)) == 130
    assert f"nobody has seen their end; {expected};" in screen.notes[-1]


def test_session_when_it_starts_records_what_it_will_do(tmp_path: Path) -> None:
    """The record is there before the playbook runs, without secrets."""
    inventory = {"all": {"vars": {"ansible_password": "pw-of-user"}}}
    seen = []

    def look() -> None:
        seen.append(runs.read_record(tmp_path))

    play = Scripted(RUNNING, PlayEnded(0, canceled=False))
    Session(small.request(tmp_path, inventory=inventory), small.job(tmp_path), Screen(PreflightDone, look)).run(play)
    assert seen[0].inventory == {"all": {"vars": {"ansible_password": "********"}}}
    assert (seen[0].ended_at_s, seen[0].exit_code, seen[0].model) == (None, None, "tiny")


STARTED = RankStarted("a", 0, "madengine run", "/r")


def _dies(tmp_path: Path, screen: Screen, *of_stop: Event, error: LauncherError | None = None) -> list[PlayRequest]:
    """Run a session whose playbook dies while a rank runs; return the requests of the plays that follow."""
    asked: list[PlayRequest] = []

    def play_of(request: PlayRequest) -> Scripted:
        asked.append(request)
        return Scripted(*of_stop, PlayEnded(0, canceled=False), error=error)

    plan = PlanMade(Plan.from_mapping(small.plan(tmp_path, "a")))
    request = replace(small.request(tmp_path), extra_vars={"run_id": "run-1", "grace_s": 3, "model": "tiny"})
    play = Scripted(plan, RUNNING, STARTED, PlayEnded(-9, canceled=False))
    assert Session(request, small.job(tmp_path), screen, play_of).run(play) == 5
    return asked


def test_session_when_its_playbook_dies_then_stops_the_ranks_and_tells_what_is_left(tmp_path: Path) -> None:
    """The launcher that is still there does not leave the ranks to their leases."""
    screen = Screen()
    facts = StopFacts("run-1", found=True, clean=("a",), left={}, unverified={})
    asked = _dies(tmp_path, screen, RunStopped(facts))
    assert [(one.playbook, one.extra_vars) for one in asked] == [("stop.yml", {"run_id": "run-1", "grace_s": 3})]
    assert screen.notes == ["error: ansible-playbook ended without a verdict: stopping every rank"]
    assert screen.outcome is not None
    assert [(rank.state, rank.clean) for rank in screen.outcome.ranks] == [("lost", True)]
    assert screen.outcome.reason == "the playbook ended without a verdict; the ranks were stopped by the launcher"
    assert runs.read_record(tmp_path).outcome == screen.outcome


def test_session_when_its_playbook_dies_and_nothing_can_be_stopped_then_says_so(tmp_path: Path) -> None:
    """The second playbook may die of what the first one died of."""
    screen = Screen()
    _dies(tmp_path, screen, error=LauncherError("no memory"))
    assert screen.notes[-1] == "error: no memory"
    assert screen.outcome is not None
    assert [(rank.state, rank.clean) for rank in screen.outcome.ranks] == [("lost", None)]
    assert screen.outcome.reason.endswith("; nobody could stop the ranks and look")
