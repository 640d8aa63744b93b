# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether every rank of a run is up, so that it can be left alone; runs once, on the control node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils import _outcome, _verdict
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "watched": {"type": "str", "required": True},
    "resolved": {"type": "dict", "required": True},
}
# In this state a rank of a run that is left alone is well.
_WELL = ("running", _outcome.OK)


class ActionModule(ActionBase):
    """Folds how the ranks stand. A rank that is not up is no failed task: the others have to be stopped first."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return whether all are `up`, and the `outcome` of the launch."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        plan, hostvars = options["plan"], (task_vars or {})["hostvars"]
        ranks = [_rank(plan, name, hostvars[name].get(options["watched"]) or {}) for name in plan["hosts"]]
        stop = ControlDir(Path(plan["log_dir"])).stop_request() or {}
        up = not stop and all(rank.state in _WELL for rank in ranks)
        outcome = detached(plan, ranks) if up else failed(ranks, options["resolved"], stop)
        if up:
            Display().display("\n".join(_commands(plan)))
            result["madlaunch"] = {"kind": "result", "outcome": outcome}
        # Otherwise the ranks that are up are stopped now, and job_stopped tells how the launch ended.
        result.update(changed=False, up=up, outcome=outcome)
        return result


def _rank(plan: dict[str, Any], name: str, watched: dict[str, Any]) -> _verdict.RankOutcome:
    if "outcome" in watched:
        return _verdict.RankOutcome.from_dict(watched["outcome"])
    rank = _verdict.Rank(name, plan["hosts"][name]["node_rank"], plan["nnodes"], 0, plan["runner"])
    return _verdict.not_started(rank, str(watched.get("msg") or "nobody saw the rank"))


def detached(plan: dict[str, Any], ranks: list[_verdict.RankOutcome]) -> dict[str, Any]:
    """Return the outcome of a launch whose run goes on without it."""
    reason = f"all {len(ranks)} ranks of run {plan['run_id']} are up, and nobody has to follow them"
    return _verdict.RunOutcome("detached", 0, reason, None, tuple(ranks)).as_dict()


def failed(ranks: list[_verdict.RankOutcome], resolved: dict[str, Any], stop: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome of a launch of which a rank did not come up, or that was interrupted."""
    offsets = {name: float(found.get("clock_offset_s") or 0.0) for name, found in resolved.items()}
    ended = [rank for rank in ranks if rank.state != "running"]
    outcome = _verdict.judge_run(ended, offsets, interrupted=stop.get("reason") == "interrupt").as_dict()
    return {**outcome, "ranks": [rank.as_dict() for rank in ranks]}


def _commands(plan: dict[str, Any]) -> list[str]:
    run_id = plan["run_id"]
    lines = [f"Run {run_id} is up on {plan['nnodes']} hosts and goes on by itself. On the same inventory:"]
    return lines + [
        f"  ansible-playbook madlaunch.multinode.{verb} -e run_id={run_id}"
        for verb in ("status", "logs", "attach", "collect", "stop")
    ]
