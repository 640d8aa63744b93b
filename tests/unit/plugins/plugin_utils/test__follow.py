# SPDX-License-Identifier: GPL-3.0-or-later
"""Following one rank: every byte once, the gang, a host that is lost for a while or for good."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir

if TYPE_CHECKING:
    from collections.abc import Callable

ENDED = {"state": "ended", "exit_code": 0}
NO_ROUTE = _follow.HostLostError("no route")
RANK = _follow.Rank("mad-1", "node01", 0, "", lease_s=60, grace_s=5, stop_on_failure=True)


class FakeNode:
    """A node with a log that comes in pieces; each script step is bytes, an exception, or a callable to run first."""

    def __init__(
        self, steps: list[bytes | Exception | Callable[[], object]], status: dict[str, Any] | None = None
    ) -> None:
        self.steps = steps
        self.status = status or ENDED
        self.log = b""
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer as the node program would."""
        self.calls.append((entry, arguments))
        if entry == "stop":
            self.steps = []
            self.status = {"state": "ended", "exit_code": None, "signal": 2}
            return {"found": True, "clean": True}
        step = self.steps.pop(0) if self.steps else b""
        if callable(step):
            step()
            step = b""
        if isinstance(step, Exception):
            raise step
        self.log += step
        data = self.log[arguments["offset"] :]
        return {
            "status": self.status,
            "offset": arguments["offset"],
            "size_bytes": len(self.log),
            "data": base64.b64encode(zlib.compress(data)).decode(),
            "results": None if self.steps else {"log_lines": 0},
        }


class Screen:
    """Keeps what was shown, and a clock that only sleeping moves."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now_s = 0.0

    def show(self, text: str) -> None:
        """Show text."""
        self.lines += text.split("\n")

    def sleep(self, duration_s: float) -> None:
        """Let time pass."""
        self.now_s += duration_s


def follower(node: FakeNode, screen: Screen, directory: Path, rank: _follow.Rank = RANK) -> _follow.Follower:
    """Return a follower whose rank fails when its exit code is not 0."""
    gang = ControlDir(directory)
    gang.create()
    return _follow.Follower(
        rank=rank,
        node=node,
        log=_follow.RankLog(directory / "rank0.log"),
        gang=gang,
        show=screen.show,
        failed=lambda status, _evidence: status["exit_code"] != 0,
        clock=lambda: screen.now_s,
        sleep=screen.sleep,
    )


def test_follow_when_the_playbook_was_killed_then_the_lease_is_not_renewed(tmp_path: Path) -> None:
    """A worker whose parent has gone asks the node nothing more, so that the rank ends with its lease."""
    node = FakeNode([b"line\n", b"line\n"])
    orphan = replace(follower(node, Screen(), tmp_path), playbook_pid=0)
    with pytest.raises(_follow.AbandonedError):
        orphan.run()
    assert node.calls == []


def test_follow_relays_every_line_once_and_keeps_the_bytes(tmp_path: Path) -> None:
    """Pieces that break in a line give whole lines; the file has the very bytes."""
    node, screen = FakeNode([b"one\ntw", b"", b"o\nthree\xff"]), Screen()
    ending = follower(node, screen, tmp_path).run()
    assert screen.lines == ["[node01:0] one", "[node01:0] two", "[node01:0] three\\xff"]
    assert (tmp_path / "rank0.log").read_bytes() == b"one\ntwo\nthree\xff"
    assert ending == _follow.Ending(ENDED, {"log_lines": 0})


def test_follow_goes_on_from_the_byte_after_a_dropped_connection(tmp_path: Path) -> None:
    """A dropped connection is told, tried again, and loses or repeats nothing."""
    node, screen = FakeNode([b"one\nhal", _follow.HostLostError("connection reset"), b"f\n"]), Screen()
    follower(node, screen, tmp_path).run()
    assert screen.lines == [
        "[node01:0] one",
        "node01 (rank 0): no answer, trying again for 80 s: connection reset",
        "node01 (rank 0): connected again after 2 s",
        "[node01:0] half",
    ]


def test_follow_gives_up_a_host_that_stays_away_and_stops_the_others(tmp_path: Path) -> None:
    """After the lease has run out for certain, the host is lost and the gang is told."""
    node, screen = FakeNode([_follow.HostLostError("no route")] * 1000), Screen()
    ending = follower(node, screen, tmp_path).run()
    assert (ending.status, ending.lost_reason) == (None, "no route")
    assert RANK.lost_after_s <= screen.now_s <= RANK.lost_after_s + _follow.RETRY_PAUSE_S
    assert ControlDir(tmp_path).stop_request() == {"reason": "lost", "host": "node01", "node_rank": 0}


def test_follow_when_the_poll_renewed_the_lease_then_the_host_is_given_up_that_much_later(tmp_path: Path) -> None:
    """A poll that waits goes on renewing on its node although no answer can come back any more."""
    screen = Screen()

    def poll(arguments: dict[str, Any], must_end: Callable[[], bool]) -> dict[str, Any]:
        assert not must_end()
        # The cut is noticed when half of the time is over.
        screen.now_s += arguments["wait_s"] / 2
        message = "no route"
        raise _follow.HostLostError(message)

    one = replace(follower(FakeNode([]), screen, tmp_path), poll=poll, _wait_s=20.0)
    one.run()
    last_poll_at_s = screen.now_s - 10
    assert last_poll_at_s >= RANK.lost_after_s + 10
    assert "trying again for 90 s" in screen.lines[0]


def test_follow_when_the_playbook_is_killed_then_the_poll_that_waits_is_given_up(tmp_path: Path) -> None:
    """It would renew the lease of a run that nobody watches."""
    orphan = replace(follower(FakeNode([]), Screen(), tmp_path), playbook_pid=0)
    assert orphan._must_end()


def test_follow_when_refused_then_ends_what_is_left(tmp_path: Path) -> None:
    """A node that knows nothing of the rank is told to stop it, again while it does not answer."""
    node, screen = FakeNode([_follow.NodeRefusedError("no such run")]), Screen()
    stops: list[dict[str, Any]] = []

    def answer(entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if entry == "stop":
            stops.append(arguments)
            if len(stops) < 3:
                raise _follow.HostLostError("killed")
        return node(entry, arguments)

    watcher = follower(node, screen, tmp_path)
    watcher.node = answer
    ending = watcher.run()
    assert (ending.status, ending.lost_reason, ending.clean) == (None, "no such run", {"found": True, "clean": True})
    told = {"run_id": "mad-1", "node_rank": 0, "state_dir": "", "reason": "leftovers", "grace_s": 5}
    assert stops == [told] * 3
    assert screen.lines == ["node01 (rank 0): it cannot be seen whether anything is left, trying for 80 s: killed"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"found": True, "clean": False}, {"found": True, "clean": False}, id="another launch is there"),
        pytest.param(_follow.HostLostError("no route"), None, id="nobody answers"),
        pytest.param(_follow.NodeRefusedError("no rights"), None, id="refused"),
    ],
)
def test_look_when_a_rank_was_never_there_then_ends_nothing(
    tmp_path: Path, said: dict[str, Any] | Exception, expected: dict[str, Any] | None
) -> None:
    """What is there of the run id is another launch's: it is looked at, once, and no more."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def answer(entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        calls.append((entry, arguments))
        if isinstance(said, Exception):
            raise said
        return said

    watcher = follower(FakeNode([]), Screen(), tmp_path)
    watcher.node = answer
    assert watcher.look() == expected
    assert calls == [("verify", {"run_id": "mad-1", "node_rank": 0, "state_dir": ""})]


def test_follow_when_nobody_can_look_then_says_so(tmp_path: Path) -> None:
    """A host that never answers again leaves it open whether it is clean, and one look more is all it gets."""

    class Away(FakeNode):
        def __call__(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
            self.calls.append((entry, arguments))
            raise NO_ROUTE

    node, screen = Away([]), Screen()
    ending = follower(node, screen, tmp_path).run()
    assert (ending.status, ending.clean) == (None, None)
    assert [entry for entry, _arguments in node.calls].count("stop") == 1


def test_follow_of_a_failed_rank_stops_the_others(tmp_path: Path) -> None:
    """The first rank that fails writes the request to stop, once."""
    node, screen = FakeNode([b"x\n"], status={"state": "ended", "exit_code": 7}), Screen()
    follower(node, screen, tmp_path).run()
    ControlDir(tmp_path).request_stop("gang", {"host": "node02", "node_rank": 1})
    assert ControlDir(tmp_path).stop_request() == {"reason": "gang", "host": "node01", "node_rank": 0}


def test_follow_leaves_the_others_alone_when_told_to_wait(tmp_path: Path) -> None:
    """With on_failure wait nobody is stopped."""
    rank = _follow.Rank("mad-1", "node01", 0, "", lease_s=60, grace_s=5, stop_on_failure=False)
    node, screen = FakeNode([b"x\n"], status={"state": "ended", "exit_code": 7}), Screen()
    follower(node, screen, tmp_path, rank).run()
    assert ControlDir(tmp_path).stop_request() is None


@pytest.mark.parametrize("reason", ["gang", "interrupt"])
def test_follow_stops_its_rank_on_request_and_drains_its_log(tmp_path: Path, reason: str) -> None:
    """A request of another rank or of the launcher stops this rank, once, and its last lines still come."""
    culprit = {"host": "node02", "node_rank": 1}
    node, screen = (
        FakeNode([b"one\n", lambda: ControlDir(tmp_path).request_stop(reason, culprit), b"never\n"]),
        Screen(),
    )
    ending = follower(node, screen, tmp_path).run()
    assert [entry for entry, _arguments in node.calls] == ["follow", "follow", "stop", "follow"]
    assert node.calls[2][1]["reason"] == reason
    assert ending.stop_request == {"reason": reason, **culprit}
    assert ending.stop_answer == {"found": True, "clean": True}


def test_follow_asks_a_silent_rank_less_often(tmp_path: Path) -> None:
    """The wait grows while nothing comes, and falls back when a line does."""
    node, screen = FakeNode([b"", b"", b"", b"", b"", b"", b"x\n", b"y\n"]), Screen()
    follower(node, screen, tmp_path).run()
    assert [arguments["wait_s"] for _entry, arguments in node.calls] == pytest.approx(
        [1.0, 1.5, 2.25, 3.375, 5.0, 5.0, 5.0, 1.0]
    )


def test_log_that_cannot_be_written_is_told_and_ends_nothing(tmp_path: Path) -> None:
    """A full disk on the control node costs the file, not the run."""
    node, screen = FakeNode([b"one\n", b"two\n"]), Screen()
    one = follower(node, screen, tmp_path)
    one.log = _follow.RankLog(tmp_path / "missing" / "rank0.log")
    one.run()
    assert screen.lines[:2] == ["[node01:0] one", "[node01:0] two"]
    assert "is not complete" in screen.lines[2]


def test_follow_when_something_is_left_has_it_ended_and_looks_again(tmp_path: Path) -> None:
    """What the node sees at the end is in the ending; leftovers are ended first, of this attempt only."""

    class Unclean(FakeNode):
        def __call__(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
            answer = super().__call__(entry, arguments)
            return answer if entry == "stop" else {**answer, "clean": {"clean": False}, "now_s": 107.0}

    node, screen = Unclean([b"one\n"]), Screen()
    one = follower(node, screen, tmp_path, replace(RANK, attempt=2))
    one.wall_clock = lambda: 100.0
    ending = one.run()
    assert [(entry, arguments.get("attempt"), arguments.get("reason")) for entry, arguments in node.calls[-1:]] == [
        ("stop", 2, "leftovers")
    ]
    assert (ending.clean, ending.clock_offset_s) == ({"found": True, "clean": True}, 7.0)


def test_follow_when_no_rank_prints_for_too_long_stops_all_with_a_dump(tmp_path: Path) -> None:
    """The limit counts from the last sign of any rank; the request has its own reason."""
    node, screen = FakeNode([b"one\n", *[b""] * 20]), Screen()
    one = follower(node, screen, tmp_path, replace(RANK, silence_timeout_s=9, attempt=0))
    call = one.node

    def slowly(entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        screen.now_s += arguments.get("wait_s", 0.0)
        if screen.now_s == 6.75:
            # Another rank prints.
            ControlDir(tmp_path).show_life(screen.now_s)
        return call(entry, arguments)

    one.node = slowly
    ending = one.run()
    assert ending.stop_request == {"reason": "silence", "host": "node01", "node_rank": 0}
    stop = next(arguments for entry, arguments in node.calls if entry == "stop")
    assert (stop["reason"], stop["dump"], stop["attempt"]) == ("silence", True, 0)


def test_follow_of_a_host_that_does_not_answer_is_no_silence(tmp_path: Path) -> None:
    """Nobody knows whether its rank prints; being lost has its own limit."""
    node, screen = FakeNode([*[_follow.HostLostError("no route")] * 30, b"", b"x\n"]), Screen()
    ending = follower(node, screen, tmp_path, replace(RANK, silence_timeout_s=5)).run()
    assert (ending.stop_request, screen.lines[-1]) == (None, "[node01:0] x")


def test_stop_of_a_person_is_for_every_attempt_and_that_of_the_gang_for_one(tmp_path: Path) -> None:
    """A later attempt does not hear of the failure before it, but of Ctrl-C at any time."""
    gang = ControlDir(tmp_path)
    gang.create()
    gang.request_stop("gang", {"host": "node02", "node_rank": 1})
    assert ControlDir(tmp_path, 1).stop_request() is None
    (gang.path / "stop").write_text('{"reason": "interrupt"}')
    assert ControlDir(tmp_path, 1).stop_request() == {"reason": "interrupt"}
    assert gang.stop_request() == {"reason": "gang", "host": "node02", "node_rank": 1}


@pytest.mark.parametrize(
    ("recorded", "told"),
    [("", "gang"), ("SIGTERM from process 7 of user 1000", "gang"), ("user", "user")],
    ids=["no-room", "by-signal", "another"],
)
def test_stop_that_a_full_disk_could_not_record_keeps_its_reason(tmp_path: Path, recorded: str, told: str) -> None:
    """The node then knows no reason, and without one a stop would be taken for that of a person."""
    node, screen = FakeNode([b"one\n", b"two\n"]), Screen()
    one = follower(node, screen, tmp_path)
    one.gang.request_stop("gang", {"host": "node02", "node_rank": 1})
    call = one.node

    def full(entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = call(entry, arguments)
        node.status = {"state": "ended", "ended_by": "stop", "stop_reason": recorded, "exit_code": None}
        return answer

    one.node = full
    status = one.run().status
    assert status is not None
    assert status["stop_reason"] == told


def test_follow_when_paced_then_looks_no_more_often_and_gathers_the_lines(tmp_path: Path) -> None:
    """For a screen that takes only so many texts: the log is asked once a second, and nothing is lost."""
    node, screen = FakeNode([b"one\n", b"two\n", b"three\n"]), Screen()
    paced = follower(node, screen, tmp_path)
    paced.poll_every_s = 1.0
    paced.run()
    assert screen.lines == ["[node01:0] one", "[node01:0] two", "[node01:0] three"]
    # The first look is at once; here the clock moves by sleeping alone.
    assert screen.now_s == 2.0
