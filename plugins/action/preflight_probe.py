# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight's two exchanges with a host: what it has, then what only two hosts together can show."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._login import patiently
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._meeting import Meeting
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import HOST_OPTIONS, NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._preflight import (
    in_waves,
    listener_lease_s,
    master_told,
    probe_arguments,
    training_interfaces,
)

# Times within the lease of the listener; a host in whose way others are takes seconds to answer.
_TENDED_OFTEN = 4

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "planned": {"type": "str", "required": True},
    "host": {"type": "dict", "required": True, "options": HOST_OPTIONS},
}


class ActionModule(NodeAction):
    """Asks one host for its facts, and lets it confirm those of rank 0.

    One task for both: a worker of Ansible costs the control node more than an exchange with a host.
    """

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `facts` and `confirmed` (see the node program's probe and confirm), or `error`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = task_vars or {}
        self._plan: dict[str, Any] = self.registered(str(self._task.args["planned"]))["plan"]
        self._node_rank = int(self._plan["hosts"][str(self.variables["inventory_hostname"])]["node_rank"])
        meeting = Meeting(ControlDir(Path(self._plan["log_dir"])))
        told: dict[str, Any] | None = None
        try:
            host = self.options(ARGUMENT_SPEC)["host"]
            answer = patiently(lambda: self._ask("probe", self._arguments(host)), self._say)
            told = master_told(answer["facts"]) if "facts" in answer else None
        finally:
            # Whatever became of it, an option of this host that makes no sense included: the others wait for it.
            meeting.come(self._node_rank, told)
        result.update(changed=False, settings=host)
        result.update(answer, madlaunch={"kind": "probe"})
        if told is not None:
            result["confirmed"] = self._confirmed(host, answer["facts"], meeting)
        return result

    def _say(self, text: str) -> None:
        Display().display(f"{self.variables['inventory_hostname']} (rank {self._node_rank}): {text}")

    def _arguments(self, host: dict[str, Any]) -> dict[str, Any]:
        return probe_arguments(self._plan, host, self._node_rank)

    def _ask(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return `facts`, or `error` with a message and a hint."""
        try:
            answer = self.call_node(entry, arguments, self.variables)
        except NodeCallError as error:
            return {"error": {"message": error.message, "hint": error.hint}}
        return {"facts": {**answer.value, "controller_clock": {"before_s": answer.before_s, "after_s": answer.after_s}}}

    def _confirmed(self, host: dict[str, Any], facts: dict[str, Any], meeting: Meeting) -> dict[str, Any]:
        """Return what the second exchange gave; {} for a host that was not asked."""
        plan, node_rank = self._plan, self._node_rank
        # In waves nobody can wait for hosts that come later.
        peers = self._peers(facts, meeting) if node_rank == 0 and not in_waves(plan) else 0
        master = meeting.master()
        if in_waves(plan) or meeting.is_off:
            # Rank 0 only ends its listener, which takes the nonce with it.
            if node_rank > 0:
                return {}
            peers = 0
        arguments = {
            **self._arguments(host),
            "interfaces": training_interfaces(host, facts),
            "master_machine": master.get("machine"),
            "nonce_path": (facts.get("shared") or {}).get("nonce_path") if node_rank == 0 else None,
            "nonce_written": bool(master.get("nonce_written")),
            "listener": master.get("listener"),
            "peers": peers,
        }
        try:
            return self._ask("confirm", arguments)
        except AnsibleConnectionFailure as error:
            return {"unreachable": str(error)}

    def _peers(self, facts: dict[str, Any], meeting: Meeting) -> int:
        """Wait until all hosts were asked, and keep the listener on this one alive; return how many will come."""
        listener = (facts.get("master") or {}).get("listener")
        identity = {key: listener[key] for key in ("pid", "start_ticks")} if listener else None

        def tend() -> None:
            # One that is gone, or cannot be told, is found by those who look for it.
            with contextlib.suppress(AnsibleConnectionFailure, NodeCallError):
                if identity:
                    self.call_node("tend", identity, self.variables)

        every_s = listener_lease_s(self._plan) / _TENDED_OFTEN
        return meeting.peers(self._plan["nnodes"], tend, every_s)
