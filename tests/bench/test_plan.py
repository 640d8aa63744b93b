# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.plan import Load, Plan, parse


def test_parse_when_nothing_is_said_then_everything_is_measured() -> None:
    """Small sizes are repeated more often than large ones."""
    plan, path = parse([])
    assert (plan, path) == (Plan(), Path("build/bench.json"))
    assert [plan.repetitions_of(hosts) for hosts in (2, 63, 64, 128)] == [5, 5, 3, 3]


def test_parse_when_sizes_are_given_then_they_are_those_of_every_part() -> None:
    """Parts that have one size take the largest."""
    plan, _ = parse(["--hosts", "2,4", "--repeat", "1", "--only", "launch,idle", "--json", "x.json"])
    assert (plan.parts, plan.launch, plan.stop, plan.idle) == (("launch", "idle"), (2, 4), (2, 4), (4,))
    assert plan.loads == (Load(4, 100, 20),)
    assert plan.repetitions_of(64) == 1


@pytest.mark.parametrize("words", [["--only", "lunch"], ["--hosts", "1"], ["--hosts", "many"], ["--repeat", "0"]])
def test_parse_when_a_value_makes_no_sense_then_it_is_refused(words: list[str]) -> None:
    """With what is allowed, before anything is started."""
    with pytest.raises(SystemExit, match="2"):
        parse(words)
