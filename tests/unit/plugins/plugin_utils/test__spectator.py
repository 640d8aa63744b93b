# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a log as a spectator, and going on with a log that is there already."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow, _spectator
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._known_log import KnownLog
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._spectator import Spectator

if TYPE_CHECKING:
    from pathlib import Path

PLACE = {"run_id": "mad-1", "node_rank": 0, "state_dir": "", "attempt": 0}


class FakeNode:
    """A node whose log is there, and grows by one piece with each call that waits; an exception is a lost call."""

    def __init__(self, log: bytes, *later: bytes | Exception) -> None:
        self.log = log
        self.later = list(later)
        self.calls: list[dict[str, Any]] = []

    def __call__(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer as the node program would."""
        assert entry == "follow"
        self.calls.append(arguments)
        if arguments["wait_s"] and self.later:
            piece = self.later.pop(0)
            if isinstance(piece, Exception):
                raise piece
            self.log += piece
        data = self.log[arguments["offset"] :][: arguments["max_bytes"]]
        return {
            "status": {"state": "running" if self.later else "ended"},
            "size_bytes": len(self.log),
            "data": base64.b64encode(zlib.compress(data)).decode(),
        }


def read(node: FakeNode, **options: Any) -> list[str]:  # noqa: ANN401 - those of Spectator
    """Return the lines that a spectator shows."""
    shown: list[str] = []
    Spectator(PLACE, node, shown.extend, sleep=lambda _: None, **options).run()
    return shown


@pytest.mark.parametrize(
    ("log", "tail", "expected"),
    [
        (b"a\nb\nc\n", -1, ["a", "b", "c"]),
        (b"a\nb\nc\n", 2, ["b", "c"]),
        (b"a\nb\nc", 2, ["b", "c"]),
        (b"a\nb\nc\n", 9, ["a", "b", "c"]),
        (b"a\nb\nc\n", 0, []),
        (b"", 3, []),
    ],
    ids=["all", "last two", "last without newline", "more than there are", "none", "empty log"],
)
def test_spectator_when_it_does_not_wait_then_shows_the_last_lines(log: bytes, tail: int, expected: list[str]) -> None:
    """Of a log that ends in the middle of a line, that piece is the last line."""
    assert read(FakeNode(log), tail=tail) == expected


def test_spectator_when_the_tail_is_long_then_reads_backwards_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece boundary in a line tears nothing."""
    monkeypatch.setattr(_spectator, "CHUNK_BYTES", 7)
    lines = [f"line {number}" for number in range(20)]
    assert read(FakeNode("".join(f"{line}\n" for line in lines).encode()), tail=5) == lines[-5:]


def test_spectator_when_it_looks_then_no_lease_is_touched() -> None:
    """Every call says so."""
    node = FakeNode(b"a\nb\n", b"c\n")
    assert read(node, wait=True, tail=1) == ["b", "c"]
    assert {call["renew"] for call in node.calls} == {False}
    assert {call["want_results"] for call in node.calls} == {False}


def test_spectator_when_it_does_not_wait_then_ends_where_the_log_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank that prints all the time does not keep it."""
    monkeypatch.setattr(_spectator, "CHUNK_BYTES", 2)
    node = FakeNode(b"a\nb\n", b"never")
    assert read(node) == ["a", "b"]


def test_spectator_when_the_connection_is_lost_for_a_moment_then_goes_on() -> None:
    """No line twice, none lost."""
    node = FakeNode(b"a\n", b"b\n", _follow.HostLostError("cut"), b"c\n")
    assert read(node, wait=True) == ["a", "b", "c"]


def test_spectator_when_the_host_is_gone_then_gives_up() -> None:
    """After as long as a run without a lease is looked for."""
    times = iter(range(0, 100_000, 50))
    node = FakeNode(b"a\n", *[_follow.HostLostError("cut")] * 9)
    spectator = Spectator(PLACE, node, lambda _: None, wait=True, clock=lambda: next(times), sleep=lambda _: None)
    with pytest.raises(_follow.HostLostError):
        spectator.run()


@pytest.mark.parametrize("there", [b"", b"on", b"one\ntwo\nth"], ids=["nothing", "torn", "more than the first piece"])
def test_known_log_when_a_part_is_there_then_only_the_rest_is_written(tmp_path: Path, there: bytes) -> None:
    """Read again from the first byte, the file ends as the node has it."""
    path = tmp_path / "rank0.log"
    path.write_bytes(there)
    log = KnownLog(path)
    for piece in (b"one\n", b"two\n", b"three\n"):
        log.append(piece)
    assert (path.read_bytes(), log.size_bytes) == (b"one\ntwo\nthree\n", 14)
