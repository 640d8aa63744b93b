# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask one host which runs of this login it knows."""

from __future__ import annotations

from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _masking
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "run_id": {"type": "str", "default": ""},
    "want_plan": {"type": "bool", "default": False},
    "node_state_dir": {"type": "str", "required": True},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}


class ActionModule(NodeAction):
    """Looks, and changes nothing."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `runs` of this host, or the `error` why it cannot tell."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        arguments = {"run_id": None, "prefix": options["run_id"], "state_dir": options["node_state_dir"]}
        arguments["want_plan"] = options["want_plan"]
        try:
            answer = self.call_node("status", arguments, task_vars or {}).value
        except NodeCallError as error:
            result.update(changed=False, runs=[], error=f"{error.message} {error.hint}".strip())
        else:
            secrets = _masking.forms(str(value) for value in options["container_env_secret"].values())
            runs = [{**rank, "last_line": _masking.masked(rank["last_line"], secrets)} for rank in answer["runs"]]
            result.update(changed=False, runs=runs)
        return result
