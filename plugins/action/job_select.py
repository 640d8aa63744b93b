# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the run that is meant from what all hosts told, and say how it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils import _awx, _play, _runs
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _places
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._options import task_options
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._play_of import play_of

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "run_id": {"type": "str", "default": ""},
    "seen": {"type": "str", "required": True},
    "purpose": {"type": "str", "choices": ["list", "status", "logs", "attach", "stop", "collect"], "required": True},
    "log_dir": {"type": "str", "default": ""},
    "runs_dir": {"type": "str", "default": ""},
}
# What writes files on the control node.
WRITING = ("attach", "collect")


class ActionModule(ActionBase):
    """Folds the answers of all hosts; runs once, on the control node."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `run_id`, its `plan` and its `status`; for a list the `runs` instead."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = task_options(self, ARGUMENT_SPEC, task_vars or {})
        seen = seen_of(task_vars or {}, options["seen"])
        job = _awx.job_of(task_vars or {})
        if job and job.workflow_prefix and options["purpose"] == "stop" and not options["run_id"]:
            # The launch before this in the workflow had no time to hand anything on if it was canceled.
            options["run_id"] = _runs.latest(job.workflow_prefix, seen)
        if options["purpose"] == "list":
            return {**result, "changed": False, **_listed(seen)}
        try:
            _play.check_in_step(play_of(self._task, task_vars or {}))
        except PlanError as error:
            return {**result, "failed": True, "msg": f"{error.message} {error.hint}"}
        try:
            run_id = _runs.choose(options["run_id"], seen)
        except _runs.ChoiceError as error:
            # What no host knows is stopped all the same: its start may be on the way, and a stop can be repeated.
            if options["purpose"] != "stop" or not options["run_id"] or _ambiguous(options["run_id"], seen):
                return {**result, "failed": True, "msg": f"{error.message} {error.hint}"}
            run_id = options["run_id"]
        return {**result, "changed": False, **_chosen(run_id, seen, options)}


def _ambiguous(wanted: str, seen: list[_runs.Seen]) -> bool:
    return any(run.run_id.startswith(wanted) for run in _runs.overview(seen))


def seen_of(task_vars: dict[str, Any], registered: str) -> list[_runs.Seen]:
    """Return what the hosts of the play answered, in the order of the play."""
    answers = []
    for name in task_vars["ansible_play_hosts_all"]:
        found = task_vars["hostvars"][name].get(registered) or {}
        silent = found.get("unreachable") or found.get("failed") or "runs" not in found
        reason = str(found.get("error") or (found.get("msg") or "it gave no answer" if silent else ""))
        answers.append(_runs.Seen(str(name), tuple(found.get("runs") or ()), reason))
    return answers


def _listed(seen: list[_runs.Seen]) -> dict[str, Any]:
    runs = [run.as_dict() for run in _runs.overview(seen)]
    silent = {answer.host: answer.unreachable for answer in seen if answer.unreachable}
    for run in runs:
        Display().display(f"{run['run_id']}  {run['state']}  {run['model']}  {', '.join(run['hosts'])}")
    return {"runs": runs, "madlaunch": {"kind": "runs", "runs": runs, "unreachable": silent}}


def _chosen(run_id: str, seen: list[_runs.Seen], options: dict[str, Any]) -> dict[str, Any]:
    purpose, status, plan = options["purpose"], _runs.status_of(run_id, seen), _runs.plan_of(run_id, seen)
    log_dir = _places.log_dir(options["log_dir"], options["runs_dir"], run_id)
    plan = {**plan, "run_id": run_id, "log_dir": str(log_dir)}
    missing = _runs.incomplete(status, plan)
    if purpose == "attach" and missing:
        hint = "All of them are needed to follow the run; logs and status do with fewer, stop ends it."
        return {"failed": True, "msg": f"{missing}. {hint}"}
    if purpose in WRITING:
        ControlDir(Path(log_dir)).create()
    if purpose == "status":
        Display().display("\n".join(_runs.described(status)))
    resolved = {name: place.get("resolved") or {} for name, place in plan["hosts"].items()}
    attempt = max((int(rank.get("attempt") or 0) for rank in status["ranks"]), default=0)
    told = {"kind": "chosen", "purpose": purpose, "plan": plan, "status": status}
    return {
        "run_id": run_id,
        "plan": plan,
        "status": status,
        "resolved": resolved,
        "attempt": attempt,
        "madlaunch": told,
    }
