# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leave a run alone: see that the rank of this host is up, then lift its lease."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _masking, _verdict
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._known_rank import KnownRank
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "started": {"type": "dict", "required": True},
    "state": {"type": "str", "choices": ["up", "alone"], "required": True},
    "node_state_dir": {"type": "str", "required": True},
    "settle_s": {"type": "int", "default": 3},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}
UP = "running"
# The lease must not run out meanwhile.
_TRY_S = 30.0


class ActionModule(NodeAction):
    """In state `up` it watches the rank for a moment, in state `alone` it makes it independent of the control node."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `outcome` of the rank so far, whose state is `running` when it is up."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        self._variables = task_vars or {}
        secrets = _masking.forms(str(value) for value in options["container_env_secret"].values())
        if options["state"] == "alone":
            return {**result, **self._left_alone(self._known(options))}
        outcome = self._watched(options).as_dict()
        return {**result, "changed": False, "outcome": _masking.masked(outcome, secrets)}

    def _left_alone(self, known: KnownRank) -> dict[str, Any]:
        try:
            self._poll(known, 0, 0.0)
        except (_follow.HostLostError, _follow.NodeRefusedError) as error:
            return {"failed": True, "msg": f"the lease of the rank could not be lifted: {error}"}
        return {"changed": True}

    def _known(self, options: dict[str, Any]) -> KnownRank:
        plan, host = options["plan"], str(self._variables["inventory_hostname"])
        place = {**plan["hosts"][host], "resolved": {"madengine_major": options["started"].get("major")}}
        plan = {**plan, "hosts": {**plan["hosts"], host: place}}
        return KnownRank(plan, host, place["node_rank"], 0, options["node_state_dir"])

    def _watched(self, options: dict[str, Any]) -> _verdict.RankOutcome:
        """Return how the rank stands after `settle_s`, or as soon as it has ended or the launch was interrupted."""
        known, started = self._known(options), options["started"]
        if not started.get("started"):
            reason = str(started.get("reason") or "the rank was not started")
            return _verdict.not_started(known.judged, reason, started.get("stop_reason"))
        gang = ControlDir(Path(known.plan["log_dir"]))
        stop = gang.stop_request()
        if stop is not None:
            # It stays at its gate: to follow it would let it begin.
            return _verdict.not_started(known.judged, "the launch was being stopped", stop["reason"])
        deadline_s = time.monotonic() + options["settle_s"]
        try:
            answer = self._poll(known, known.plan["lease_s"], 0.0)
            while answer["status"]["state"] != "ended" and gang.stop_request() is None:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return _running(known, answer["status"])
                answer = self._poll(known, known.plan["lease_s"], min(1.0, left_s), answer["size_bytes"])
            if answer["status"]["state"] != "ended":
                return _running(known, answer["status"])
        except (_follow.HostLostError, _follow.NodeRefusedError) as error:
            return _verdict.lost(known.judged, None, str(error), time.time())
        return _verdict.judge_rank(known.judged, answer["status"], self._evidence(known))

    def _poll(self, known: KnownRank, lease_s: int, wait_s: float, offset: int = 0) -> dict[str, Any]:
        arguments = {**known.place, "lease_s": lease_s, "offset": offset, "wait_s": wait_s, "max_bytes": 0}
        return self._ask({**arguments, "want_results": False})

    def _ask(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a poll; one that was killed or cut off is tried again for a while."""
        deadline_s = time.monotonic() + _TRY_S
        while True:
            try:
                return self.ask_node("follow", arguments, self._variables)
            except _follow.HostLostError:
                if time.monotonic() >= deadline_s:
                    raise
                time.sleep(_follow.RETRY_PAUSE_S)

    def _evidence(self, known: KnownRank) -> dict[str, Any] | None:
        answer = self._poll(known, known.plan["lease_s"], 0.0)
        arguments = {**known.place, "lease_s": known.plan["lease_s"], "offset": answer["size_bytes"], "wait_s": 0}
        answer = self._ask({**arguments, "max_bytes": 0, "want_results": True})
        results: dict[str, Any] | None = answer["results"]
        return results


def _running(known: KnownRank, status: dict[str, Any]) -> _verdict.RankOutcome:
    rank = known.judged
    return _verdict.RankOutcome(
        rank.host, rank.node_rank, UP, "it is up", started_at_s=status["started_at_s"], log_path=rank.log_path
    )
