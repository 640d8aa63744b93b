# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the rank of one host: render its script and hand it to the supervisor on the node."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.madlaunch.multinode.plugins.module_utils import _locks
from ansible_collections.madlaunch.multinode.plugins.module_utils._command import CommandError
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _script
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import HOST_OPTIONS, NodeAction

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "host": {"type": "dict", "required": True, "options": HOST_OPTIONS},
    "resolved": {"type": "dict", "required": True},
    "attempt": {"type": "int", "default": 0},
    "timeout_s": {"type": "int", "default": -1},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}


class ActionModule(NodeAction):
    """Starts one rank. A rank that cannot be started is no failed task: follow ends the run and the result says why."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `started`, and `rank_dir` or the `reason` why not."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        variables = task_vars or {}
        name = str(variables["inventory_hostname"])
        place = {"kind": "start", "host": name, "node_rank": options["plan"]["hosts"][name]["node_rank"]}
        gang = ControlDir(Path(options["plan"]["log_dir"]), options["attempt"])
        stop = gang.stop_request()
        if stop is not None:
            reason = f"the run was asked to end ({stop['reason']}) before the rank was started"
            told = {"started": False, "reason": reason, "stop_reason": stop["reason"]}
            return {**result, **told, "changed": False, "madlaunch": {**place, "error": reason}}
        try:
            answer, command = self._start(options, name, variables)
        except (NodeCallError, CommandError) as error:
            reason = f"{error.message} {error.hint}".strip()
        except AnsibleConnectionFailure as error:
            reason = f"the host could not be reached to start the rank: {error}"
        else:
            event = {**place, "command": command, "rank_dir": answer["rank_dir"]}
            major = options["resolved"]["madengine_major"]
            result.update(changed=True, started=True, rank_dir=answer["rank_dir"], major=major, madlaunch=event)
            return result
        # Before any follower comes: the ranks that are ready wait at their gates, and end there.
        gang.request_stop("gang", {"host": name, "node_rank": place["node_rank"]})
        result.update(changed=False, started=False, reason=reason, madlaunch={**place, "error": reason})
        return result

    def _start(self, options: dict[str, Any], name: str, variables: dict[str, Any]) -> tuple[dict[str, Any], str]:
        plan, settings = options["plan"], options["host"]
        if options["timeout_s"] >= 0:
            # A later attempt has what the earlier ones left of the time limit of the run.
            plan = {**plan, "timeout_s": options["timeout_s"]}
        rank = _script.RankInput(plan, name, settings, options["resolved"], options["container_env_secret"])
        template = Path(self._find_needle("templates", _script.TEMPLATE))
        script = _script.of_rank(rank, options["resolved"]["madengine_major"], template)
        arguments = {
            "run_id": plan["run_id"],
            "node_rank": plan["hosts"][name]["node_rank"],
            "nnodes": plan["nnodes"],
            "host": name,
            "model": plan["model"],
            "owner": getpass.getuser(),
            "state_dir": settings["node_state_dir"],
            "script": script.text,
            "files": script.files,
            "mad_dir": settings["mad_dir"],
            "in_place": plan["in_place"],
            "timeout_s": plan["timeout_s"],
            "grace_s": plan["grace_s"],
            "lease_s": plan["lease_s"],
            "gate": True,
            "plan": kept_plan(plan, name, options["resolved"]),
            "attempt": options["attempt"],
            "lock_keys": _locks.keys(plan, {"gpus": {"count": options["resolved"].get("nproc_per_node")}}),
            "share_hosts": bool(plan.get("share_hosts")) or "lock" in plan["skip_checks"],
        }
        return self.call_node("start", arguments, variables).value, script.shown


def kept_plan(plan: dict[str, Any], name: str, resolved: dict[str, Any]) -> dict[str, Any]:
    """Return what the node keeps of the plan, for those who come back to the run from anywhere; no secret is in it.

    Only rank 0 keeps all hosts: with a thousand of them, a thousand copies of the list would be too much to ask for.
    """
    place = plan["hosts"][name]
    hosts = plan["hosts"] if place["node_rank"] == 0 else {name: place}
    left_out = ("nonce", "log_dir", "container_env")
    return {**{key: plan[key] for key in plan if key not in left_out}, "hosts": hosts, "resolved": resolved}
