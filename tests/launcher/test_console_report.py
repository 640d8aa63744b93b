# SPDX-License-Identifier: GPL-3.0-or-later
"""The small texts of which the reports are made."""

from __future__ import annotations

import pytest

from madlaunch.console_report import folded, runtime


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["b", "a"], "b, a", id="few"),
        pytest.param([f"n{i:02}" for i in range(1, 25)], "n[01-24] (24 nodes)", id="in order"),
        pytest.param([f"n{i:02}" for i in range(24, 0, -1)], "n24, ..., n01 (24 nodes)", id="other order"),
        pytest.param([f"fe80::{i}%[x" for i in range(9)], "fe80::0%[x, ..., fe80::8%[x (9 nodes)", id="odd"),
    ],
)
def test_folded_when_names_are_many_keeps_their_order(names: list[str], expected: str) -> None:
    """A fold that would tell another order of the ranks is not used."""
    assert folded(names) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(None, "-", id="unknown"),
        pytest.param(4.54, "4.5s", id="seconds"),
        pytest.param(61.0, "0:01:01", id="minutes"),
        pytest.param(86399.6, "24:00:00", id="a day"),
    ],
)
def test_runtime_when_shown_is_short(seconds: float | None, expected: str) -> None:
    """Seconds below a minute, else hours, minutes and seconds."""
    assert runtime(seconds) == expected
