# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a rank that ended by itself, by its exit code and by what madengine printed and wrote.

Private to the collection. Pure. The exit code alone says nothing: madengine v1 ends with 0 when the model failed, and
v2 ends with 0 when every node trained alone. docs/madengine.md has the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import _perf
from ._command_checks import TORCHRUN_RUNNERS
from ._outcome import FAILED, OK, TIMEOUT, Performance, Rank

NO_METRICS = "Status: FAILURE (no performance metrics)"
TIMED_OUT = "Program timed out. Requested timeout="
# madengine looked for results that only some ranks write; the training itself had ended well by then.
NO_RESULT_FILE = re.compile(r"No such file or directory: '[^']*\.csv'\Z|No columns to parse from file\Z")
# How madengine says that the model's script failed: the command in the container, which is of no use to people.
SCRIPT_FAILED = re.compile(r"Subprocess 'docker exec .*run_directory .*' failed with exit code (\d+)\Z")
ERROR_CLASS = re.compile(r"\A[A-Za-z_][\w.]*: *")
SKIP_REQUESTED = re.compile(r"Skipping model run|--skip-model-run")
# Exit codes of v2 (its cli/constants.py); what v1 ends with is Python's 1, or argparse's 2.
V2_EXIT_CODES = {
    1: "an unexpected error, or an interrupt",
    2: "the image was not built, the tag names no model, or an argument is not known",
    3: "the model failed",
    4: "an invalid argument or context",
}
RUNNER_VALUES = {name: re.compile(rf"--{name}[= ](\S+)") for name in ("nnodes", "node[_-]rank")}


@dataclass(frozen=True)
class Ending:
    """The judgment: state, what it rests on, and the values found."""

    state: str
    reason: str
    performance: tuple[Performance, ...] = ()
    skipped: bool = False


def judge_end(rank: Rank, exit_code: int, evidence: Mapping[str, Any]) -> Ending:
    """Judge a rank whose madengine ended by itself with `exit_code`. `evidence` is EVIDENCE of node/evidence.py."""
    markers = evidence["markers"]
    exception = markers["exception"] or ""
    if TIMED_OUT in exception:
        return Ending(TIMEOUT, f"madengine ended the model at its own time limit: {exception}")
    if exception and not _only_results_missing(markers):
        return Ending(FAILED, _with_cause(_exception_reason(exit_code, exception), markers))
    alone = _trained_alone(rank, markers)
    if alone and (exit_code == 0 or markers["model_started"]):
        return Ending(FAILED, alone)
    if exit_code != 0 and not _no_metrics(markers):
        return Ending(FAILED, _failed_reason(rank, exit_code, markers))
    return _judge_rows(exit_code, evidence)


def _judge_rows(exit_code: int, evidence: Mapping[str, Any]) -> Ending:
    """Judge what is no failure by exit code or exception: was the model run to its end, and did it report a value."""
    markers = evidence["markers"]
    rows = _perf.read_rows(evidence["perf_csv"])
    values = tuple(_perf.performance_of(rows))
    said = f"exit code {exit_code}"
    if markers["skipped"]:
        return _skipped(said, markers["skipped"])
    if values:
        shown = ", ".join(f"{value.performance} {value.metric}".strip() for value in values[:3])
        return Ending(OK, f"{said}; madengine recorded SUCCESS with a performance value ({shown})", values)
    if markers["model_finished"] or _successes(evidence["summary"]):
        return Ending(OK, f"{said}; the model ran to its end; this rank reported no performance value")
    recorded = {row.get("status", "").upper() for row in rows}
    reason = f"madengine ended ({said}) without running the model"
    if "SKIPPED" in recorded:
        reason = "madengine did not run the model: it recorded SKIPPED (see skip_gpu_arch of the model)"
    elif "FAILURE" in recorded:
        reason = f"madengine recorded FAILURE ({said}), and the model did not run to its end"
    return Ending(FAILED, _with_cause(reason, markers))


def _skipped(said: str, line: str) -> Ending:
    if SKIP_REQUESTED.search(line):
        return Ending(OK, f"{said}; the model was not run, as asked: {line}", skipped=True)
    return Ending(FAILED, f"madengine did not run the model: {line}")


def _only_results_missing(markers: Mapping[str, Any]) -> bool:
    return bool(markers["model_finished"] and NO_RESULT_FILE.search(markers["exception"]))


def _no_metrics(markers: Mapping[str, Any]) -> bool:
    return bool(markers["model_finished"] and (markers["status_line"] == NO_METRICS or markers["exception"]))


def _failed_reason(rank: Rank, exit_code: int, markers: Mapping[str, Any]) -> str:
    if markers["error_pattern"]:
        reason = f"madengine found {markers['error_pattern']!r} in the model's output and ended with {exit_code}"
        return _with_cause(f"{reason} (a context with log_error_pattern_scan false turns this search off)", markers)
    meaning = V2_EXIT_CODES.get(exit_code, "") if rank.major > 1 else ""
    return _with_cause(f"madengine ended with exit code {exit_code}" + (f" ({meaning})" if meaning else ""), markers)


def _exception_reason(exit_code: int, exception: str) -> str:
    script = SCRIPT_FAILED.match(exception)
    if script:
        return f"the model's script ended with exit code {script.group(1)} (madengine itself ended with {exit_code})"
    return f"madengine reports an exception (exit code {exit_code}): {exception}"


def _with_cause(reason: str, markers: Mapping[str, Any]) -> str:
    """Add the line of the log that best tells the cause, unless the reason has it already."""
    cause = markers["failure_line"] or ""
    bare = ERROR_CLASS.sub("", cause)
    told = bare in reason or bare in (markers["exception"] or "")
    return reason if told else f"{reason}; the log has: {cause}"


def _trained_alone(rank: Rank, markers: Mapping[str, Any]) -> str:
    """Return why this rank did not take part in one training with the others, '' when the proof is that it did.

    The proof is the runner string that madengine printed as part of what the container gets.
    """
    if rank.nnodes == 1 or rank.runner not in TORCHRUN_RUNNERS:
        return ""
    runner = markers["runner"]
    if runner is None:
        no_proof = "nothing proves that the ranks trained together: the log shows no MAD_MULTI_NODE_RUNNER"
        return no_proof if markers["complete"] and not markers["skipped"] and markers["model_started"] else ""
    expected = {"nnodes": str(rank.nnodes), "node[_-]rank": str(rank.node_rank)}
    found = {name: RUNNER_VALUES[name].search(runner) for name in expected}
    together = all(match and match.group(1) == expected[name] for name, match in found.items())
    if together and "--standalone" not in runner:
        return ""
    return f"the model trained alone, not as rank {rank.node_rank} of {rank.nnodes}: its runner was {runner!r}"


def _successes(summary: Mapping[str, Any] | None) -> bool:
    """Say whether v2's summary counts a run as done; with a manifest it has no phases."""
    phase = (summary or {}).get("run_phase", summary) or {}
    return isinstance(phase, Mapping) and bool(phase.get("successful_runs")) and not phase.get("failed_runs")
