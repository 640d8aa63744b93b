# SPDX-License-Identifier: GPL-3.0-or-later
"""How v2 judges a log. The cases were run through madengine v2.1.0."""

from __future__ import annotations

from typing import Any

import pytest
from standin import v2_status

OK = "performance: 12.5 samples_per_second\n"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(OK, ("12.5", "samples_per_second"), id="plain"),
        pytest.param("a performance: 1e+3 x\nperformance: 2 y\n", ("1e+3", "x"), id="first-of-two"),
        pytest.param("performance: 7/s, tokens\n", ("7", "tokens"), id="per-second-without-space"),
        pytest.param("performance: 7 /s, tokens\n", ("7", "tokens"), id="per-second"),
        pytest.param("performance:1 x\n", (None, None), id="no-space"),
        pytest.param("'train_samples_per_second': 4.23,\n", ("4.23", "samples_per_second"), id="hugging-face"),
        pytest.param("performance: fast\n", (None, None), id="no-number"),
    ],
)
def test_performance_when_in_a_log_then_found(log: str, expected: tuple[str | None, str | None]) -> None:
    """The first `performance: <number> <unit>` counts."""
    assert v2_status.performance(log) == expected


@pytest.mark.parametrize(
    ("log", "value", "card", "context", "collect", "expected"),
    [
        pytest.param(OK, "12.5", {}, {}, "true", "SUCCESS", id="performance"),
        pytest.param("", None, {}, {}, "true", "FAILURE", id="none-on-a-collecting-node"),
        pytest.param("", None, {}, {}, "false", "SUCCESS", id="none-on-a-worker"),
        pytest.param("RuntimeError: x\n" + OK, "12.5", {}, {}, "true", "FAILURE", id="error-pattern"),
        pytest.param("RuntimeError: x\n", None, {}, {}, "false", "FAILURE", id="error-pattern-on-a-worker"),
        pytest.param(
            "RuntimeError: x\n", "1", {}, {"log_error_pattern_scan": False}, "true", "SUCCESS", id="scan-off-by-context"
        ),
        pytest.param(
            "RuntimeError: x\n", "1", {"log_error_pattern_scan": "off"}, {}, "true", "SUCCESS", id="scan-off-by-card"
        ),
        pytest.param(
            "RuntimeError: x\n", "1", {}, {"log_error_benign_patterns": ["Error: x"]}, "true", "SUCCESS", id="benign"
        ),
        pytest.param("oops\n", "1", {}, {"log_error_patterns": ["oops"]}, "true", "FAILURE", id="own-pattern"),
        pytest.param("FutureWarning: FAILED\n", "1", {}, {}, "true", "SUCCESS", id="known-to-be-benign"),
    ],
)
def test_status_when_log_and_node_are_known_then_as_the_real_one(  # noqa: PLR0913, PLR0917 - the parameters of the rule
    monkeypatch: pytest.MonkeyPatch,
    log: str,
    value: str | None,
    card: dict[str, Any],
    context: dict[str, Any],
    collect: str,
    expected: str,
) -> None:
    """An error pattern fails; then a performance value or being a worker is enough."""
    monkeypatch.setenv("MAD_COLLECT_METRICS", collect)
    assert v2_status.status(log, value, card, context) == expected
