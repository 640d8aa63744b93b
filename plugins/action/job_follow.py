# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow the rank of one host: live lines on the screen, the raw log in a file, the first failure stops all."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _masking, _verdict
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import with_cleanliness
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._folding import FoldedScreen
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._interrupt import interruptible
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._results import RankFiles, attempt_dir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._screen import Screen, no_lines

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "planned": {"type": "str", "required": True},
    "started": {"type": "str", "required": True},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}


class ActionModule(NodeAction):
    """Follows one rank until it has ended, over as many connections as it takes."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `outcome` of the rank; a rank that failed does not fail the task, the run's result does."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        self.variables = task_vars or {}
        host = str(self.variables["inventory_hostname"])
        # madengine prints the container's variables; only the raw log, which is the node's byte for byte, keeps them.
        self._secrets = _masking.forms(str(value) for value in options["container_env_secret"].values())
        plan, started = self.registered(options["planned"])["plan"], self.registered(options["started"])
        outcome = _masking.masked(self._outcome(plan, started, host).as_dict(), self._secrets)
        result.update(changed=False, outcome=outcome, madlaunch={"kind": "rank", "outcome": outcome})
        return result

    def _outcome(self, plan: dict[str, Any], started: dict[str, Any], host: str) -> _verdict.RankOutcome:
        attempt = started["attempt"]
        log_dir = Path(plan["log_dir"])
        place = attempt_dir(log_dir, attempt)
        place.mkdir(mode=0o700, exist_ok=True)
        files = RankFiles(place, plan["hosts"][host]["node_rank"])
        rank = judged_rank(plan, host, int(started.get("major") or 0), files)
        gang = ControlDir(log_dir, attempt)
        screen = Screen(plan, rank.node_rank, self.variables, self._secrets)
        log = _follow.RankLog(files.log)
        follower = _follow.Follower(
            rank=followed_rank(plan, rank, started["node_state_dir"], attempt),
            node=self._node,
            poll=interruptible(self._connection, self._node),
            log=log,
            gang=gang,
            show=screen.show,
            show_lines=None if screen.shows_lines else no_lines,
            poll_every_s=screen.poll_every_s,
            failed=lambda status, evidence: _verdict.judge_rank(rank, status, evidence).is_cause,
        )
        if not started.get("started"):
            if gang.user_request() is None:
                # A rank that was not started because a person ended the run is not why the others end.
                gang.request_stop("gang", {"host": host, "node_rank": rank.node_rank})
            reason = str(started.get("reason") or "the rank was not started")
            outcome = _verdict.not_started(rank, reason, started.get("stop_reason"))
            if started.get("never_there") and not attempt:
                return with_cleanliness(outcome, follower.look())
            # A start whose connection broke may have come through.
            return with_cleanliness(outcome, follower.clear(follower.rank.lost_after_s))
        folded = plan.get("fold") and screen.shows_lines
        ending = self._folded(follower, screen) if folded else follower.run()
        if ending.status is None:
            outcome = _verdict.lost(rank, None, ending.lost_reason, time.time(), answers=ending.refused)
            return _follow.of_ending(outcome, ending)
        errors = [error for error in (log.error, *files.keep(ending.evidence or {})) if error]
        outcome = _follow.of_ending(_verdict.judge_rank(rank, ending.status, ending.evidence), ending)
        if not errors:
            return outcome
        unkept = f"not kept on the control node: {', '.join(errors)}; the node has it in {started.get('rank_dir')}"
        return replace(outcome, reason=f"{outcome.reason}; {unkept}")

    def _folded(self, follower: _follow.Follower, shown: Screen) -> _follow.Ending:
        rank = follower.rank
        path = follower.gang.path / f"lines.{rank.attempt or 0}"
        with FoldedScreen(path, rank.host, rank.node_rank, shown.ranks, shown.show) as screen:
            follower.show_lines = lambda lines: screen.add([_masking.masked(line, self._secrets) for line in lines])
            return follower.run()

    def _node(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.ask_node(entry, arguments, self.variables)


def judged_rank(plan: dict[str, Any], host: str, major: int, files: RankFiles) -> _verdict.Rank:
    """Return what the verdict needs to know of a rank."""
    node_rank = plan["hosts"][host]["node_rank"]
    return _verdict.Rank(host, node_rank, plan["nnodes"], major, plan["runner"], str(files.log))


def followed_rank(plan: dict[str, Any], rank: _verdict.Rank, state_dir: str, attempt: int) -> _follow.Rank:
    """Return what following needs to know of a rank."""
    return _follow.Rank(
        run_id=plan["run_id"],
        host=rank.host,
        node_rank=rank.node_rank,
        state_dir=state_dir,
        lease_s=plan["lease_s"],
        grace_s=plan["grace_s"],
        stop_on_failure=plan["on_failure"] == "stop",
        attempt=attempt,
        silence_timeout_s=int(plan.get("silence_timeout_s") or 0),
    )
