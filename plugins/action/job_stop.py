# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a run on one host and say what is left of it there."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "run_id": {"type": "str", "required": True},
    "node_state_dir": {"type": "str", "required": True},
    "grace_s": {"type": "int", "default": 15},
    "reason": {"type": "str", "default": "user"},
    "look_only": {"type": "bool", "default": False},
}
_ANSWERED = ("found", "clean", "processes_stopped", "processes_left", "containers_removed", "containers_left")


class ActionModule(NodeAction):
    """Stops every rank of the run on this host; it can be repeated at any time."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what was `found` and stopped, and whether the host is `clean`; or the `error` why nobody knows."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options, variables = self.options(ARGUMENT_SPEC), task_vars or {}
        if self._play_context.check_mode:
            return {**result, **self._foreseen(options, variables)}
        arguments = {"run_id": options["run_id"], "node_rank": None, "state_dir": options["node_state_dir"]}
        arguments.update(reason=options["reason"], grace_s=options["grace_s"])
        nothing_done: dict[str, Any] = {"processes_stopped": 0, "containers_removed": []}
        entry = "verify" if options["look_only"] else "stop"
        try:
            answer = {**nothing_done, **self.call_node(entry, arguments, variables).value}
        except NodeCallError as error:
            return {**result, "changed": False, "clean": False, "error": f"{error.message} {error.hint}".strip()}
        found = {name: answer[name] for name in _ANSWERED}
        told = {"kind": "stop", "host": str(variables["inventory_hostname"]), **found}
        result.update(changed=bool(found["processes_stopped"] or found["containers_removed"]), madlaunch=told, **found)
        return result

    def _foreseen(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Return what a stop would find; nothing is stopped."""
        arguments = {"run_id": options["run_id"], "state_dir": options["node_state_dir"]}
        try:
            ranks = self.call_node("status", arguments, variables).value["runs"]
        except NodeCallError as error:
            return {"changed": False, "clean": False, "error": f"{error.message} {error.hint}".strip()}
        running = [rank["node_rank"] for rank in ranks if rank["state"] != "ended"]
        for node_rank in running:
            host = variables["inventory_hostname"]
            Display().display(f"rank {node_rank} of {options['run_id']} on {host} would be stopped")
        return {"changed": bool(running), "found": bool(ranks), "clean": not running}
