# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""First exchange of the preflight with a host: what it has, and on rank 0 the nonce and the listener."""

from __future__ import annotations

from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import HOST_OPTIONS, NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._preflight import RENDEZVOUS_WAIT_S, probe_arguments

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "node_rank": {"type": "int", "required": True},
    "host": {"type": "dict", "required": True, "options": HOST_OPTIONS},
}


class ActionModule(NodeAction):
    """Asks one host for its facts; a host that answers badly gives an `error`, for the report to judge."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `facts` (see the node program's probe), or `error` with a message and a hint."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        host = options["host"]
        result.update(changed=False, settings=host)
        arguments = probe_arguments(options["plan"], host, options["node_rank"])
        arguments["rendezvous_wait_s"] = RENDEZVOUS_WAIT_S
        try:
            answer = self.call_node("probe", arguments, task_vars or {})
        except NodeCallError as error:
            result["error"] = {"message": error.message, "hint": error.hint}
            result["madlaunch"] = {"kind": "probe", "error": result["error"]}
            return result
        facts = {**answer.value, "controller_clock": {"before_s": answer.before_s, "after_s": answer.after_s}}
        result.update(facts=facts, madlaunch={"kind": "probe", "facts": facts})
        return result
