# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the rank of one host: render its script and hand it to the supervisor on the node."""

from __future__ import annotations

import contextlib
import getpass
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.madlaunch.multinode.plugins.module_utils import _locks
from ansible_collections.madlaunch.multinode.plugins.module_utils._command import CommandError
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _script
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._follow import HostLostError, NodeRefusedError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._playbook_process import (
    is_playbook_gone,
    playbook_pid,
)
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._preflight import in_waves

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "planned": {"type": "str", "required": True},
    "probed": {"type": "str", "required": True},
    "reported": {"type": "str", "required": True},
    "resulted": {"type": "str", "default": ""},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}
# The slowest host may have to copy a large checkout from a slow file server.
GATE_WAIT_S = 1800
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5


class ActionModule(NodeAction):
    """Starts one rank. A rank that cannot be started is no failed task: follow ends the run and the result says why."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `started`, and `rank_dir` or the `reason` why not."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = variables = task_vars or {}
        name = str(variables["inventory_hostname"])
        options = self._settled(name)
        gang = ControlDir(Path(options["plan"]["log_dir"]), options["attempt"])
        result.update(attempt=options["attempt"], node_state_dir=options["host"]["node_state_dir"])
        try:
            result.update(self._started(options, name, variables, gang))
        finally:
            gang.arrive()
        if result["started"] and not in_waves(options["plan"]):
            self._hold(options, name, variables, gang)
        return result

    def _settled(self, name: str) -> dict[str, Any]:
        """Return what earlier tasks decided of this host, and of this attempt."""
        options = self.options(ARGUMENT_SPEC)
        before = self.registered(options["resulted"])
        return {
            "plan": self.registered(options["planned"])["plan"],
            "host": self.registered(options["probed"])["settings"],
            "resolved": self.registered(options["reported"])["hosts"][name],
            "attempt": int(before.get("next_attempt") or 0),
            # A later attempt has what the earlier ones left of the time limit of the run.
            "timeout_s": before.get("timeout_left_s", -1),
            "container_env_secret": options["container_env_secret"],
        }

    def _started(
        self, options: dict[str, Any], name: str, variables: dict[str, Any], gang: ControlDir
    ) -> dict[str, Any]:
        """Return what the task returns: `started`, and `rank_dir` or the `reason` why not."""
        place = {"kind": "start", "host": name, "node_rank": options["plan"]["hosts"][name]["node_rank"]}
        never_there = False
        stop = gang.stop_request()
        if stop is not None:
            reason = f"the run was asked to end ({stop['reason']}) before the rank was started"
            told = {"started": False, "never_there": True, "reason": reason, "stop_reason": stop["reason"]}
            return {**told, "changed": False, "madlaunch": {**place, "error": reason}}
        try:
            answer, script = self._start(options, name, variables)
        except (NodeCallError, CommandError) as error:
            reason = f"{error.message} {error.hint}".strip()
            # Its final word: this launch has left nothing there. What there is of the run id is that of another launch.
            never_there = isinstance(error, CommandError) or error.kind == "node"
        except AnsibleConnectionFailure as error:
            reason = f"the host could not be reached to start the rank: {error}"
        else:
            event = {**place, "command": script.shown, "rank_dir": answer["rank_dir"]}
            major = options["resolved"]["madengine_major"]
            told = {"changed": True, "started": True, "rank_dir": answer["rank_dir"], "major": major}
            if self._task.diff:
                told["diff"] = {"before": "", "after": script.text, "after_header": f"{answer['rank_dir']}/run.sh"}
            return {**told, "madlaunch": event}
        # Before any follower comes: the ranks that are ready wait at their gates, and end there.
        gang.request_stop("gang", {"host": name, "node_rank": place["node_rank"]})
        told = {"changed": False, "started": False, "never_there": never_there, "reason": reason}
        return {**told, "madlaunch": {**place, "error": reason}}

    def _hold(self, options: dict[str, Any], name: str, variables: dict[str, Any], gang: ControlDir) -> None:
        """Wait until every host has started, and meanwhile let the rank know that the control node is there.

        Where all start within a third of the lease, this asks the node nothing.
        """
        plan = options["plan"]
        every_s = (plan["lease_s"] or GATE_WAIT_S) / 3
        place = {"run_id": plan["run_id"], "node_rank": plan["hosts"][name]["node_rank"], "attempt": options["attempt"]}
        nothing = {"offset": 0, "wait_s": 0, "max_bytes": 0, "want_results": False, "renew": False, "hold": True}
        arguments = {**place, **nothing, "state_dir": options["host"]["node_state_dir"], "lease_s": plan["lease_s"]}
        began_s = told_s = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        playbook = playbook_pid()
        while gang.arrived() < plan["nnodes"] and time.monotonic() < began_s + GATE_WAIT_S:
            if is_playbook_gone(playbook):
                return
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)
            if time.monotonic() >= told_s + every_s:
                # Whoever does not hear it is found by the one who follows.
                with contextlib.suppress(HostLostError, NodeRefusedError):
                    self.ask_node("follow", arguments, variables)
                told_s = time.monotonic()

    def _start(
        self, options: dict[str, Any], name: str, variables: dict[str, Any]
    ) -> tuple[dict[str, Any], _script.RankScript]:
        """Return the node's answer, and the script; its text is for people only in diff mode."""
        plan, settings = options["plan"], options["host"]
        if options["timeout_s"] >= 0:
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
            # In waves nobody can hold: the workers that would have to are needed for the next hosts.
            "gate_wait_s": GATE_WAIT_S if in_waves(plan) else plan["lease_s"] or GATE_WAIT_S,
            "plan": kept_plan(plan, name, options["resolved"]),
            "attempt": options["attempt"],
            "lock_keys": _locks.keys(plan, {"gpus": {"count": options["resolved"].get("gpu_count")}}),
            "share_hosts": bool(plan.get("share_hosts")) or "lock" in plan["skip_checks"],
        }
        answer = self.call_node("start", arguments, variables).value
        if self._task.diff:
            script = _script.for_show(rank, options["resolved"]["madengine_major"], template)
        return answer, script


def kept_plan(plan: dict[str, Any], name: str, resolved: dict[str, Any]) -> dict[str, Any]:
    """Return what the node keeps of the plan, for those who come back to the run from anywhere; no secret is in it.

    Only rank 0 keeps all hosts: with a thousand of them, a thousand copies of the list would be too much to ask for.
    """
    place = plan["hosts"][name]
    hosts = plan["hosts"] if place["node_rank"] == 0 else {name: place}
    left_out = ("nonce", "log_dir", "container_env")
    return {**{key: plan[key] for key in plan if key not in left_out}, "hosts": hosts, "resolved": resolved}
