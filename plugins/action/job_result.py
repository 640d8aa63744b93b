# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the run and merge what its ranks brought back; runs once, on the control node."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.madlaunch.multinode.plugins.module_utils import _perf, _verdict
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._results import RankFiles, write_whole

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "followed": {"type": "str", "required": True},
    "resolved": {"type": "dict", "required": True},
}


class ActionModule(ActionBase):
    """Folds the outcomes of all ranks into that of the run, and writes perf.csv and summary.json."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `outcome` of the run; failed when it was not good."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        plan, hostvars = options["plan"], (task_vars or {})["hostvars"]
        ranks = [_rank_outcome(plan, name, hostvars[name].get(options["followed"]) or {}) for name in plan["hosts"]]
        stop = ControlDir(Path(plan["log_dir"])).stop_request() or {}
        results, error = _merged(plan)
        outcome = _verdict.judge_run(
            ranks,
            {name: float(found.get("clock_offset_s") or 0.0) for name, found in options["resolved"].items()},
            interrupted=stop.get("reason") == "interrupt",
            results=results,
        )
        outcome = _with_summary(plan, _without(outcome, error))
        value = outcome.as_dict()
        result.update(changed=True, failed=outcome.exit_code != 0, outcome=value, msg=_message(outcome))
        result["madlaunch"] = {"kind": "result", "outcome": value}
        return result


def _with_summary(plan: dict[str, Any], outcome: _verdict.RunOutcome) -> _verdict.RunOutcome:
    """Write summary.json; return the outcome, which says so if that could not be done."""
    path = Path(plan["log_dir"]) / "summary.json"
    whole = replace(outcome, results={**outcome.results, "summary_json": str(path)})
    results = _perf.summary(_rank_results(plan))
    summary = {**results, "run_id": plan["run_id"], "model": plan["model"], "outcome": whole.as_dict()}
    error = write_whole(path, json.dumps(summary, indent=2) + "\n")
    return _without(outcome, error) if error else whole


def _without(outcome: _verdict.RunOutcome, error: str) -> _verdict.RunOutcome:
    """Return the outcome, whose reason also tells of a file that could not be written."""
    return replace(outcome, reason=f"{outcome.reason}; could not be written: {error}") if error else outcome


def _rank_outcome(plan: dict[str, Any], name: str, followed: dict[str, Any]) -> _verdict.RankOutcome:
    """Return what follow found; a host that dropped out of the play before that is lost."""
    if "outcome" in followed:
        return _verdict.RankOutcome.from_dict(followed["outcome"])
    node_rank = plan["hosts"][name]["node_rank"]
    log = RankFiles(Path(plan["log_dir"]), node_rank).log
    rank = _verdict.Rank(name, node_rank, plan["nnodes"], 0, plan["runner"], str(log))
    return _verdict.lost(rank, None, str(followed.get("msg") or "the play ended before the rank did"), time.time())


def _rank_results(plan: dict[str, Any]) -> list[_perf.RankResults]:
    results = []
    for name, place in plan["hosts"].items():
        path = RankFiles(Path(plan["log_dir"]), place["node_rank"]).perf_csv
        text = path.read_text(encoding="utf-8") if path.exists() else None
        results.append(_perf.RankResults(place["node_rank"], name, text))
    return results


def _merged(plan: dict[str, Any]) -> tuple[dict[str, str], str]:
    """Write the result rows of all ranks into one file; return its path, or none and why it could not be written."""
    perf_csv = Path(plan["log_dir"]) / "perf.csv"
    error = write_whole(perf_csv, _perf.merge(_rank_results(plan), plan["nnodes"]))
    return ({} if error else {"perf_csv": str(perf_csv)}), error


def _message(outcome: _verdict.RunOutcome) -> str:
    """Return the outcome in lines that can be read in any Ansible output."""
    lines = [f"The run ended: {outcome.state}: {outcome.reason}."]
    lines += [f"rank {rank.node_rank} on {rank.host}: {rank.state}: {rank.reason}" for rank in outcome.ranks]
    lines.append(f"Results: {outcome.results.get('perf_csv') or 'not written'}")
    return "\n".join(lines)
