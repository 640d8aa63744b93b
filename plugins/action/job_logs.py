# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the log of the rank of one host, as a spectator."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils import _masking, _relay
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._known_rank import KnownRank
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._spectator import ALL_LINES, Spectator

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "status": {"type": "dict", "required": True},
    "node_state_dir": {"type": "str", "required": True},
    "wait": {"type": "bool", "default": False},
    "rank": {"type": "int", "default": -1},
    "tail": {"type": "int", "default": ALL_LINES},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}


class ActionModule(NodeAction):
    """Reads; neither the lease of the run nor its other ranks notice."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `state` of the rank after its last line that was shown."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        self._variables = task_vars or {}
        host = str(self._variables["inventory_hostname"])
        known = KnownRank.of(options["plan"], options["status"], host, options["node_state_dir"])
        if known is None or options["rank"] not in (-1, known.node_rank):
            return {**result, "changed": False, "skipped": True, "msg": "no rank that was asked for is on this host"}
        secrets = _masking.forms(str(value) for value in options["container_env_secret"].values())

        def show(lines: list[str]) -> None:
            if lines:
                Display().display(_masking.masked(_relay.labeled(host, known.node_rank, lines), secrets))

        spectator = Spectator(known.place, self._node, show, wait=options["wait"], tail=options["tail"])
        try:
            status = spectator.run()
        except (_follow.HostLostError, _follow.NodeRefusedError) as error:
            return {**result, "failed": True, "msg": f"the log of rank {known.node_rank} could not be read: {error}"}
        result.update(changed=False, state=status["state"])
        return result

    def _node(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.ask_node(entry, arguments, self._variables)
