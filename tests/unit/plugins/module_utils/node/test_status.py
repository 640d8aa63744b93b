# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `status`: all runs of a login on a host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.status import last_line

if TYPE_CHECKING:
    from tests.unit.plugins.module_utils.node.local_node import Node


def test_status_lists_all_runs_with_their_last_lines(node: Node) -> None:
    """Ranks that run and ranks that have ended, with the size and the age of the log."""
    ended = node.start("echo one; echo two")
    node.follow_to_end(ended)
    running = node.start("sleep 300", node_rank=2)
    found = {status["run_id"]: status for status in node.status()}
    assert {
        run_id: (s["state"], s["node_rank"], s["last_line"], s["log_size_bytes"]) for run_id, s in found.items()
    } == {
        ended: ("ended", 0, "two", 8),
        running: ("running", 2, "", 0),
    }
    log = node.rank_dir(ended) / "log"
    assert (found[ended]["last_output_s"], found[running]["last_output_s"]) == (log.stat().st_mtime, None)


def test_status_of_one_run_leaves_out_the_others(node: Node) -> None:
    """A run that is not here has no status, which is no error."""
    first = node.start("true")
    node.start("true")
    assert [status["run_id"] for status in node.status(first)] == [first]
    assert node.status("unknown") == []


def test_status_tells_how_long_a_rank_runs_and_is_silent(node: Node) -> None:
    """Of a rank that has ended, how long it ran; the ages are by the node's own clock."""
    ended = node.start("echo one; sleep 0.5")
    node.follow_to_end(ended)
    running = node.start("sleep 300")
    time.sleep(0.3)
    found = {status["run_id"]: status for status in node.status()}
    assert found[ended]["runtime_s"] == found[ended]["ended_at_s"] - found[ended]["started_at_s"]
    assert 0.5 <= found[ended]["runtime_s"] < 5
    assert 0.5 <= found[ended]["last_output_age_s"] < 10
    assert 0.3 <= found[running]["runtime_s"] < 5
    assert found[running]["last_output_age_s"] is None
    assert found[running]["rank_dir"] == str(node.rank_dir(running))


def test_status_gives_the_plan_to_those_who_ask_for_it(node: Node) -> None:
    """Another control node needs no more than the run id; a list of all runs need not carry all plans."""
    plan = {"schema": 1, "hosts": {"node01": {"node_rank": 0}}, "model": "ü"}
    run_id = node.start("true", plan=plan)
    assert [status["plan"] for status in node.status(run_id, want_plan=True)] == [plan]
    assert "plan" not in node.status(run_id)[0]
    assert node.status(node.start("true"), want_plan=True)[0]["plan"] is None


def test_status_finds_runs_by_the_beginning_of_their_id(node: Node) -> None:
    """And by the rank, where a host has several."""
    for run_id in ("20260131-a", "20260131-b", "20260201-a"):
        node.run_ids.append(run_id)
        node.start("true", run_id=run_id)
    node.start("true", run_id="20260131-b", node_rank=1)
    found = node.status(prefix="20260131")
    assert [(one["run_id"], one["node_rank"]) for one in found] == [
        ("20260131-a", 0),
        ("20260131-b", 0),
        ("20260131-b", 1),
    ]
    assert [one["run_id"] for one in node.status(node_rank=1)] == ["20260131-b"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (b"\n\n", ""),
        (b"one\ntwo\n\n", "two"),
        (b"10%\r50%\r100%\r", "100%"),
        (b"no end", "no end"),
        (b"\xffbad\n", "\ufffdbad"),
        (b"x" * 600, "x" * 500),
    ],
    ids=["empty", "blank", "lines", "progress", "no-newline", "not-utf-8", "long"],
)
def test_last_line_is_what_a_terminal_would_show(data: bytes, expected: str) -> None:
    """The last line with something in it, bounded."""
    assert last_line(data) == expected
