# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of the benchmarks."""

from __future__ import annotations

import pytest

from bench.figures import Line, Spread, Tally, fitted_line, percentile, spread, tally


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7.0], 95, 7.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([float(number) for number in range(1, 101)], 95, 95.0),
        ([float(number) for number in range(1, 101)], 99, 99.0),
        ([1.0, 2.0], 100, 2.0),
        ([1.0, 2.0], 0, 1.0),
    ],
)
def test_percentile_when_asked_then_is_the_value_that_so_many_do_not_exceed(
    values: list[float], percent: float, expected: float
) -> None:
    """It is always one of the values, never something between two."""
    assert percentile(values, percent) == expected


def test_fitted_line_when_points_lie_on_one_then_it_is_that_line() -> None:
    """The slope is what one more host costs."""
    assert fitted_line([(2.0, 3.0), (8.0, 6.0), (32.0, 18.0)]) == Line(0.5, 2.0)


def test_fitted_line_when_points_lie_around_one_then_the_squares_are_least() -> None:
    """One slow size does not carry the line away."""
    line = fitted_line([(0.0, 0.0), (1.0, 2.0), (2.0, 1.0), (3.0, 3.0)])
    assert (round(line.slope, 6), round(line.intercept, 6)) == (0.8, 0.3)


def test_spread_when_given_values_then_has_their_median_and_ends() -> None:
    """One slow repetition does not move the median."""
    assert spread([3.0, 1.0, 90.0]) == Spread(3.0, 1.0, 90.0)


def test_tally_when_all_lines_arrive_in_order_then_nothing_is_wrong() -> None:
    """Lines of several ranks may come in between each other."""
    assert tally({0: 2, 1: 2}, [(0, 0), (1, 0), (1, 1), (0, 1)]) == Tally(4, 0, 0, 0)


def test_tally_when_lines_are_missing_twice_or_late_then_each_is_counted_as_what_it_is() -> None:
    """A rank of which nothing came has lost all; a line that comes again is doubled, and out of order."""
    assert tally({0: 3, 1: 2}, [(0, 0), (0, 2), (0, 1), (0, 2), (0, 2)]) == Tally(5, 2, 2, 1)
