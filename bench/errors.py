# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of the benchmarks."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement that did not happen: a tool failed, was too slow for its limit, or lines are missing."""
