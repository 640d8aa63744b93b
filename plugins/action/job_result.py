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
from ansible_collections.madlaunch.multinode.plugins.module_utils import _perf, _relay, _restart, _verdict
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._results import (
    RankFiles,
    attempt_dir,
    write_whole,
)
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._screen import Screen

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "followed": {"type": "str", "required": True},
    "resolved": {"type": "dict", "required": True},
    "attempt": {"type": "int", "default": 0},
    "may_restart": {"type": "bool", "default": False},
}
# What is told of a rank in the summary.
SUMMARY = ("host", "node_rank", "state", "reason", "exit_code", "signal", "performance", "stop_reason", "clean", "left")


class ActionModule(ActionBase):
    """Folds the outcomes of all ranks into that of the run, and writes perf.csv and summary.json."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `outcome` of the run, failed when it was not good; or `restart`, when all is to be tried again."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        plan, attempt = options["plan"], options["attempt"]
        variables = task_vars or {}
        outcome = self._judged(options, variables["hostvars"])
        decision = _restart.Decision(again=False)
        if options["may_restart"]:
            ended = ControlDir(Path(plan["log_dir"]), attempt).user_request() is not None
            decision = _restart.decide(plan, outcome, ended=ended, now_s=time.time())
            outcome = _restart.explained(outcome, decision)
        outcome = _with_summary(plan, outcome)
        value = outcome.as_dict()
        result.update(changed=True, outcome=value, restart=decision.again)
        if decision.again:
            told = {"kind": "attempt", "outcome": value, "max_restarts": plan["max_restarts"]}
            again = {"next_attempt": attempt + 1, "timeout_left_s": decision.timeout_left_s}
            return {**result, **again, "msg": _message(plan, outcome), "madlaunch": told}
        screen = Screen(plan, outcome.first_failure.node_rank if outcome.first_failure else 0, variables, ())
        message = "\n".join([_message(plan, outcome), *_unseen(outcome, screen), *_places(plan, outcome, screen)])
        result.update(failed=outcome.exit_code != 0, msg=message, summary=_summary(plan, value))
        result["madlaunch"] = {"kind": "result", "outcome": value}
        return result

    def _judged(self, options: dict[str, Any], hostvars: Any) -> _verdict.RunOutcome:
        plan, attempt = options["plan"], options["attempt"]
        place = attempt_dir(Path(plan["log_dir"]), attempt)
        ranks = [
            _rank_outcome(plan, name, hostvars[name].get(options["followed"]) or {}, place) for name in plan["hosts"]
        ]
        stop = ControlDir(Path(plan["log_dir"]), attempt).stop_request() or {}
        results, error = _merged(plan, place)
        outcome = _verdict.judge_run(
            ranks,
            {rank.host: _offset_s(rank, options["resolved"].get(rank.host) or {}) for rank in ranks},
            interrupted=stop.get("reason") == "interrupt",
            results=results,
        )
        return replace(_without(outcome, error), attempt=attempt, attempts=_earlier(plan, attempt))


def _with_summary(plan: dict[str, Any], outcome: _verdict.RunOutcome) -> _verdict.RunOutcome:
    """Write summary.json; return the outcome, which says so if that could not be done."""
    path = Path(plan["log_dir"]) / "summary.json"
    whole = replace(outcome, results={**outcome.results, "summary_json": str(path)})
    results = _perf.summary(_rank_results(plan, attempt_dir(Path(plan["log_dir"]), outcome.attempt)))
    summary = {**results, "run_id": plan["run_id"], "model": plan["model"], "outcome": whole.as_dict()}
    error = write_whole(path, json.dumps(summary, indent=2) + "\n")
    return _without(outcome, error) if error else whole


def _without(outcome: _verdict.RunOutcome, error: str) -> _verdict.RunOutcome:
    """Return the outcome, whose reason also tells of a file that could not be written."""
    return replace(outcome, reason=f"{outcome.reason}; could not be written: {error}") if error else outcome


def _rank_outcome(plan: dict[str, Any], name: str, followed: dict[str, Any], place: Path) -> _verdict.RankOutcome:
    """Return what follow found; a host that dropped out of the play before that is lost."""
    if "outcome" in followed:
        return _verdict.RankOutcome.from_dict(followed["outcome"])
    node_rank = plan["hosts"][name]["node_rank"]
    rank = _verdict.Rank(name, node_rank, plan["nnodes"], 0, plan["runner"], str(RankFiles(place, node_rank).log))
    return _verdict.lost(rank, None, str(followed.get("msg") or "the play ended before the rank did"), time.time())


def _offset_s(rank: _verdict.RankOutcome, resolved: dict[str, Any]) -> float:
    """Return how far the clock of a host is ahead, as of when the rank ended if it was set during the run."""
    measured_s = float(resolved.get("clock_offset_s") or 0.0)
    if rank.clock_offset_s is None or abs(rank.clock_offset_s - measured_s) < _CLOCK_WAS_SET_S:
        return measured_s
    return rank.clock_offset_s


# What follow sees of a clock has the time in it that its answer took; the preflight measured better than that.
_CLOCK_WAS_SET_S = 2.0


def _earlier(plan: dict[str, Any], attempt: int) -> tuple[dict[str, Any], ...]:
    """Return the outcomes of the attempts before this one, as the last of them left them."""
    if attempt == 0:
        return ()
    try:
        text = (Path(plan["log_dir"]) / "summary.json").read_text(encoding="utf-8")
        before = dict(json.loads(text)["outcome"])
    except (OSError, ValueError, KeyError):
        # The earlier attempts were followed from another control node, which has kept their outcomes.
        return ()
    attempts = before.pop("attempts", [])
    return (*attempts, before)


def _rank_results(plan: dict[str, Any], place: Path) -> list[_perf.RankResults]:
    results = []
    for name, host in plan["hosts"].items():
        path = RankFiles(place, host["node_rank"]).perf_csv
        text = path.read_text(encoding="utf-8") if path.exists() else None
        results.append(_perf.RankResults(host["node_rank"], name, text))
    return results


def _merged(plan: dict[str, Any], place: Path) -> tuple[dict[str, str], str]:
    """Write the result rows of all ranks into one file; return its path, or none and why it could not be written."""
    perf_csv = Path(plan["log_dir"]) / "perf.csv"
    error = write_whole(perf_csv, _perf.merge(_rank_results(plan, place), plan["nnodes"]))
    return ({} if error else {"perf_csv": str(perf_csv)}), error


def _message(plan: dict[str, Any], outcome: _verdict.RunOutcome) -> str:
    """Return the outcome in lines that can be read in any Ansible output."""
    lines = [f"The run ended: {outcome.state}: {outcome.reason}."]
    lines += [f"rank {rank.node_rank} on {rank.host}: {rank.state}: {rank.reason}" for rank in outcome.ranks]
    lines.append(f"clean on {len(outcome.ranks) - len(outcome.unclean)}/{len(outcome.ranks)} hosts")
    for rank in outcome.unclean:
        seen = f"left: {'; '.join(rank.left)}" if rank.left else "could not be looked at"
        lines.append(f"not verified clean: {rank.host} (rank {rank.node_rank}): {seen}")
    if outcome.unclean:
        lines.append(f"later: ansible-playbook -i INVENTORY madlaunch.multinode.stop -e run_id={plan['run_id']}")
    return "\n".join(lines)


def _unseen(outcome: _verdict.RunOutcome, screen: Screen) -> list[str]:
    """Return the last lines of the rank that failed first, if its lines were not shown while it ran."""
    first = outcome.first_failure
    failed = next((rank for rank in outcome.ranks if first and rank.node_rank == first.node_rank), None)
    if failed is None or screen.shows_lines or not failed.last_lines:
        return []
    lines = _relay.labeled(failed.host, failed.node_rank, list(failed.last_lines))
    return [f"the last lines of rank {failed.node_rank} on {failed.host}:", lines]


def _places(plan: dict[str, Any], outcome: _verdict.RunOutcome, screen: Screen) -> list[str]:
    """Return where the results are: what lies in the container of an AWX job ends with it."""
    if not screen.in_awx:
        return [f"Results: {outcome.results.get('perf_csv') or 'not written'}"]
    there = f"logs and result files are on the nodes, below runs/{plan['run_id']}"
    return [f"Results: in the artifacts of this job; {there}"]


def _summary(plan: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    """Return what is handed on to what comes after the play: the outcome without lines, but for those of a failure."""
    first = outcome["first_failure"] or {"node_rank": None}
    ranks = [
        {name: value for name, value in rank.items() if name in SUMMARY or rank["node_rank"] == first["node_rank"]}
        for rank in outcome["ranks"]
    ]
    kept = {name: outcome[name] for name in ("state", "exit_code", "reason", "first_failure", "clean", "attempt")}
    return {"run_id": plan["run_id"], "model": plan["model"], **kept, "ranks": ranks}
