# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay: whole lines, each once, safe to show."""

from __future__ import annotations

import itertools
import random

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._relay import LineSplitter, labeled, readable


def lines_of(chunks: list[bytes], limit_bytes: int = 1 << 20) -> list[str]:
    """Feed the chunks a tenth of a second apart and return all lines."""
    splitter = LineSplitter(limit_bytes)
    lines = [line for index, chunk in enumerate(chunks) for line in splitter.feed(chunk, index / 10)]
    return lines + splitter.flush()


def test_lines_arrive_once_and_in_order_wherever_the_chunks_break() -> None:
    """Any split of the bytes gives the same lines."""
    text = "".join(f"line {number} \u00e9\u4e16 {'x' * (number % 7)}\n" for number in range(300))
    raw = text.encode()
    expected = text.split("\n")[:-1]
    source = random.Random(7)  # noqa: S311 - only where to cut
    for _attempt in range(20):
        cuts = [0, *sorted(source.sample(range(1, len(raw)), 40)), len(raw)]
        assert lines_of([raw[start:end] for start, end in itertools.pairwise(cuts)]) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"no newline", ["no newline"]),
        (b"windows\r\n", ["windows"]),
        (b"10%\r50%\r100%\ndone\n", ["100%", "done"]),
        (b"10%\r50%\r\n", ["50%"]),
        (b"bad \xff\xfe bytes\n", ["bad \\xff\\xfe bytes"]),
        (b"tab\tstays\n", ["tab\tstays"]),
        (b"\x1b[31mred\x1b[0m \x1b[2Jclear \x1b]0;title\x07bell\x07\n", ["\x1b[31mred\x1b[0m clear bell"]),
        (b"nul\x00 and \x1b at end\x1b\n", ["nul and t end"]),
        (b"\n", [""]),
    ],
    ids=[
        "empty-line",
        "no-newline",
        "crlf",
        "progress",
        "progress-crlf",
        "not-utf8",
        "tab",
        "escapes",
        "controls",
        "newline",
    ],
)
def test_line_is_made_readable(raw: bytes, expected: list[str]) -> None:
    """What a terminal would be harmed or confused by is taken out; text and colors stay."""
    assert lines_of([raw]) == expected


def test_line_of_a_megabyte_stays_whole() -> None:
    """A long line is one line."""
    assert lines_of([b"x" * 1_000_000, b"y\n"], limit_bytes=2_000_000) == ["x" * 1_000_000 + "y"]


def test_line_above_the_limit_comes_in_marked_parts() -> None:
    """Memory stays bounded for an output that never ends its line."""
    assert lines_of([b"a" * 25, b"b\n"], limit_bytes=10) == [
        "aaaaaaaaaa [line goes on]",
        "aaaaaaaaaa [line goes on]",
        "aaaaab",
    ]


def test_progress_bar_is_shown_while_its_line_is_open() -> None:
    """An open line with carriage returns shows at most once a second, and not again when it ends as shown."""
    splitter = LineSplitter()
    assert splitter.feed(b"1%\r", 0.0) == ["1%"]
    assert splitter.feed(b"2%\r", 0.5) == []
    assert splitter.feed(b"3%\r", 1.5) == ["3%"]
    assert splitter.feed(b"\nnext\n", 1.6) == ["next"]


def test_label_stands_before_every_line() -> None:
    """`[host:rank] line`, as the seed shows it."""
    assert labeled("192.168.1.1", 0, ["a", "b"]) == "[192.168.1.1:0] a\n[192.168.1.1:0] b"


def test_escape_sequence_that_is_cut_off_leaves_no_escape() -> None:
    """Half an escape sequence cannot swallow what is printed after it."""
    assert "\x1b" not in readable(b"text \x1b[12")
