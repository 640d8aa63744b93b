# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Second exchange of the preflight with a host: the nonce of rank 0 read, rank 0 reached on the master port."""

from __future__ import annotations

from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._preflight import (
    RENDEZVOUS_WAIT_S,
    in_waves,
    leaving_interface,
    probe_arguments,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "node_rank": {"type": "int", "required": True},
    "probed": {"type": "str", "required": True},
}


class ActionModule(NodeAction):
    """Lets one host confirm what only two hosts together can show."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `facts` (see the node program's confirm), or `error`; skipped for a host that gave no facts."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        variables = task_vars or {}
        own = variables.get(options["probed"]) or {}
        result["changed"] = False
        waves, node_rank = in_waves(options["plan"]), options["node_rank"]
        if "facts" not in own or (waves and node_rank > 0):
            reason = "Rank 0 does not wait for it: too few forks." if waves else "The host gave no facts to confirm."
            result.update(skipped=True, skip_reason=reason)
            return result
        arguments = self._arguments(options, own, variables["hostvars"])
        if waves:
            arguments["peers"] = 0
        try:
            answer = self.call_node("confirm", arguments, variables)
        except NodeCallError as error:
            result["error"] = {"message": error.message, "hint": error.hint}
            return result
        result["facts"] = {**answer.value, "controller_clock": {"before_s": answer.before_s, "after_s": answer.after_s}}
        result["madlaunch"] = {"kind": "confirm", "facts": result["facts"]}
        return result

    def _arguments(self, options: dict[str, Any], own: dict[str, Any], hostvars: Any) -> dict[str, Any]:
        plan, node_rank = options["plan"], options["node_rank"]
        arguments = probe_arguments(plan, own["settings"], node_rank)
        told = [(hostvars[name].get(options["probed"]) or {}).get("facts") for name in plan["hosts"]]
        master = told[0] or {}
        listener = (master.get("master") or {}).get("listener")
        arguments.update(
            interface=leaving_interface(own["settings"], own["facts"]) or None,
            nonce_path=(own["facts"].get("shared") or {}).get("nonce_path") if node_rank == 0 else None,
            nonce_written=bool((master.get("shared") or {}).get("nonce_written")),
            listener=listener,
            peers=sum(facts is not None for facts in told[1:]),
            rendezvous_wait_s=RENDEZVOUS_WAIT_S,
        )
        return arguments
