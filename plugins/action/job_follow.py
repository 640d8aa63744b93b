# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow the rank of one host: live lines on the screen, the raw log in a file, the first failure stops all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils import _verdict
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import NodeAction
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._results import RankFiles

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "started": {"type": "dict", "required": True},
    "node_state_dir": {"type": "str", "required": True},
}


class ActionModule(NodeAction):
    """Follows one rank until it has ended, over as many connections as it takes."""

    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the `outcome` of the rank; a rank that failed does not fail the task, the run's result does."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = self.options(ARGUMENT_SPEC)
        self._variables = task_vars or {}
        plan = options["plan"]
        rank = rank_of(plan, str(self._variables["inventory_hostname"]), options["node_state_dir"])
        files = RankFiles(Path(plan["log_dir"]), rank.node_rank)
        gang = ControlDir(Path(plan["log_dir"]))
        if options["started"].get("started"):
            outcome = self._follow(plan, rank, files, gang)
        else:
            gang.request_stop("gang", {"host": rank.host, "node_rank": rank.node_rank})
            reason = str(options["started"].get("reason") or "the rank was not started.")
            outcome = _verdict.not_started(rank.host, rank.node_rank, reason)
        result.update(changed=False, outcome=outcome, madlaunch={"kind": "rank", "outcome": outcome})
        return result

    def _follow(self, plan: dict[str, Any], rank: _follow.Rank, files: RankFiles, gang: ControlDir) -> dict[str, Any]:
        judge = Judge(plan, rank, files)
        follower = _follow.Follower(
            rank=rank,
            node=self._node,
            log=_follow.RankLog(files.log),
            gang=gang,
            show=Display().display,
            failed=judge.failed,
        )
        ending = follower.run()
        if ending.evidence is not None:
            files.keep(ending.evidence)
        return judge.outcome(ending)

    def _node(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.call_node(entry, arguments, self._variables).value
        except AnsibleConnectionFailure as error:
            raise _follow.HostLostError(str(error)) from error
        except NodeCallError as error:
            raise _follow.NodeRefusedError(f"{error.message} {error.hint}".strip()) from error
