# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `status`: all runs of a login on a host."""

from __future__ import annotations

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
