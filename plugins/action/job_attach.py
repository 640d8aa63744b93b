# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a run over again on one host, or bring home what there is of it."""

from __future__ import annotations

import base64
import time
import zlib
from pathlib import Path
from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _masking, _verdict
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import with_cleanliness
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._interrupt import interruptible
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._known_log import KnownLog
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._known_rank import KnownRank
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._screen import Screen, no_lines

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "status": {"type": "dict", "required": True},
    "node_state_dir": {"type": "str", "required": True},
    "attempt": {"type": "int", "default": 0},
    "wait": {"type": "bool", "default": True},
    "lease_s": {"type": "int", "default": -1},
    "grace_s": {"type": "int", "default": -1},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}


class ActionModule(NodeAction):
    """Follows a rank that was started before, from the first byte of its log, until it has ended (or only so far)."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `outcome` of the rank; without `wait`, of a rank that has not ended, `running` instead."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        self._variables = task_vars or {}
        host = str(self._variables["inventory_hostname"])
        self._secrets = _masking.forms(str(value) for value in options["container_env_secret"].values())
        known = KnownRank.of(options["plan"], options["status"], host, options["node_state_dir"])
        if known is None:
            return {**result, "changed": False, "skipped": True, "msg": "this host has no rank of the run"}
        self._wait = options["wait"]
        known.files.log_dir.mkdir(mode=0o700, exist_ok=True)
        if known.attempt != options["attempt"]:
            outcome: _verdict.RankOutcome | None = self._not_started(known, options["attempt"])
        else:
            outcome = self._followed(known, options) if options["wait"] else self._fetched(known)
        if outcome is None:
            told = {"kind": "running", "host": host, "node_rank": known.node_rank}
            return {**result, "changed": True, "running": True, "madlaunch": told}
        value = _masking.masked(outcome.as_dict(), self._secrets)
        return {**result, "changed": True, "outcome": value, "madlaunch": {"kind": "rank", "outcome": value}}

    def _not_started(self, known: KnownRank, attempt: int) -> _verdict.RankOutcome:
        """Have the others stopped too: their attempt cannot go on without this rank, and attach starts none."""
        if self._wait:
            gang = ControlDir(Path(known.plan["log_dir"]), attempt)
            gang.request_stop("gang", {"host": known.host, "node_rank": known.node_rank})
        reason = f"attempt {attempt} of the run was not started here; the last one here was {known.attempt}"
        return _verdict.not_started(known.judged, reason)

    def _followed(self, known: KnownRank, options: dict[str, Any]) -> _verdict.RankOutcome:
        screen = Screen(known.plan, known.node_rank, self._variables, self._secrets)
        follower = _follow.Follower(
            rank=known.followed(options["lease_s"], options["grace_s"]),
            node=self._node,
            poll=interruptible(self._connection, self._node),
            log=KnownLog(known.files.log),
            gang=ControlDir(Path(known.plan["log_dir"]), known.attempt),
            show=screen.show,
            show_lines=None if screen.shows_lines else no_lines,
            poll_every_s=screen.poll_every_s,
            failed=lambda status, evidence: _verdict.judge_rank(known.judged, status, evidence).is_cause,
        )
        ending = follower.run()
        if ending.status is None:
            outcome = _verdict.lost(known.judged, None, ending.lost_reason, time.time(), answers=ending.refused)
            return _follow.of_ending(outcome, ending)
        known.files.keep(ending.evidence or {})
        return _follow.of_ending(_verdict.judge_rank(known.judged, ending.status, ending.evidence), ending)

    def _fetched(self, known: KnownRank) -> _verdict.RankOutcome | None:
        """Bring the whole log and the results home; None for a rank that still runs."""
        log = KnownLog(known.files.log)
        # From where the file ends: what is here is not sent again.
        log.size_bytes = log.there_bytes
        try:
            while True:
                arguments = {**known.place, "offset": log.size_bytes, "wait_s": 0, "max_bytes": _follow.MAX_POLL_BYTES}
                answer = self._node("follow", {**arguments, "lease_s": 0, "want_results": True})
                data = zlib.decompress(base64.b64decode(answer["data"]))
                log.append(data)
                if answer["results"] is not None or not data:
                    break
        except (_follow.HostLostError, _follow.NodeRefusedError) as error:
            return _verdict.lost(known.judged, None, str(error), time.time())
        if answer["results"] is None:
            return None
        known.files.keep(answer["results"])
        outcome = _verdict.judge_rank(known.judged, answer["status"], answer["results"])
        return with_cleanliness(outcome, answer["clean"])

    def _node(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if entry == "follow":
            arguments = {"renew": self._wait, **arguments}
        return self.ask_node(entry, arguments, self._variables)
