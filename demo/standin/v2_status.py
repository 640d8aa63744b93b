# SPDX-License-Identifier: GPL-3.0-or-later
"""How v2 tells a good run from a failed one, by its log."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

from standin.console import say

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# Between number and unit: nothing, a comma, or "/s" with a comma before or after it.
_PER = r"(?:,?\s*/[a-zA-Z]+\s*,?|,)?"
_PERFORMANCE = re.compile(rf"performance:\s+({_NUMBER}){_PER}\s+([^\s,]+)")
_HUGGING_FACE = re.compile(r"train_samples_per_second['\"\s:=]+([0-9][0-9.eE+-]*)")
_ERRORS = (
    "OutOfMemoryError",
    "HIP out of memory",
    "CUDA out of memory",
    "RuntimeError:",
    "AssertionError:",
    "ValueError:",
    "SystemExit",
    "failed (exitcode:",
    "Traceback (most recent call last)",
    "FAILED",
    "Exception:",
    "ImportError:",
    "ModuleNotFoundError:",
)
_BENIGN = (
    "Failed to establish connection to the metrics exporter agent",
    "RpcError: Running out of retries to initialize the metrics agent",
    "Metrics will not be exported",
    "FutureWarning",
    "Opened result file:",
    "SQLite3 generation ::",
    "rocpd_op:",
    "rpd_tracer:",
    "[rocprofv3]",
)


def performance(log: str) -> tuple[str | None, str | None]:
    """Return the first number and unit after `performance:` in a log, else Hugging Face's, else none."""
    found = _PERFORMANCE.search(log)
    if found:
        print(f"✓ Extracted performance: {found.group(1)} {found.group(2)}")
        return found.group(1), found.group(2)
    found = _HUGGING_FACE.search(log)
    if found:
        print(f"✓ Extracted performance (HuggingFace format): {found.group(1)} samples_per_second")
        return found.group(1), "samples_per_second"
    expected = "'performance: NUMBER METRIC' or 'train_samples_per_second'"
    print(f"Warning: Performance metric not found in expected format {expected}")
    return None, None


def multiple_performance(name: str, directory: str) -> str | None:
    """Return the path of a model's own result file, if it is there and has a value."""
    path = next((path for path in (Path(name), Path(directory, name)) if path.is_file()), None)
    if path is None:
        say(f"Warning: Could not find multiple results file (tried cwd and {directory}/): {name}")
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(file)]
    if rows and "performance" not in rows[0]:
        print("Error: 'performance' column not found in multiple results file.")
        return None
    if not any((row["performance"] or "").strip() for row in rows):
        print("Error: Performance metric is empty in all rows of multiple results file.")
        return None
    return str(path)


def status(log: str, value: str | None, model: dict[str, Any], context: dict[str, Any]) -> str:
    """Return SUCCESS or FAILURE: an error pattern fails, then a value is good, then a node without metrics is."""
    found = _error_in(log, model, context)
    if found is not None:
        print(f"Found error pattern '{found}' in logs")
        return _said("FAILURE", "error patterns detected in logs")
    if value and value.strip() and value.strip() != "N/A":
        return _said("SUCCESS", "performance metrics found, no errors")
    if os.environ.get("MAD_COLLECT_METRICS", "true").lower() == "false":
        return _said("SUCCESS", "worker node, no errors detected")
    return _said("FAILURE", "no performance metrics")


def _said(word: str, reason: str) -> str:
    say(f"Status: {word} ({reason})")
    return word


def _error_in(log: str, model: dict[str, Any], context: dict[str, Any]) -> str | None:
    both = {**model, **context}
    if not _truth(both.get("log_error_pattern_scan", True)):
        say("ℹ️  Log error pattern scan disabled (log_error_pattern_scan).")  # noqa: RUF001 - the tool's own sign
        return None
    benign = [*_BENIGN, *model.get("log_error_benign_patterns", []), *context.get("log_error_benign_patterns", [])]
    lines = [line for line in log.splitlines() if not any(word in line for word in benign)]
    patterns = both.get("log_error_patterns") or _ERRORS
    return next((pattern for pattern in patterns if any(_hit(pattern, line) for line in lines)), None)


def _hit(pattern: str, line: str) -> bool:
    return pattern in line and not re.search(f"(grep -q|Found error pattern).*{re.escape(pattern)}", line)


def _truth(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in ("0", "false", "no", "off", "")
    return value is None or bool(value)
