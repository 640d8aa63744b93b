# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rank of a run that was started before, as the plan and the status of the run name it.

Private to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _verdict
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._results import RankFiles, attempt_dir

DEFAULT_GRACE_S = 15


@dataclass(frozen=True)
class KnownRank:
    """Which rank, in which attempt, and the files that it has on the control node."""

    plan: dict[str, Any]
    host: str
    node_rank: int
    attempt: int
    state_dir: str

    @classmethod
    def of(cls, plan: dict[str, Any], status: dict[str, Any], host: str, state_dir: str) -> KnownRank | None:
        """Return the rank that `host` has in the run, None if it has none."""
        found = [rank for rank in status["ranks"] if rank["host"] == host]
        if not found:
            return None
        return cls(plan, host, int(found[0]["node_rank"]), int(found[0].get("attempt") or 0), state_dir)

    @property
    def place(self) -> dict[str, Any]:
        """How the node program is told which rank is meant."""
        place = {"run_id": self.plan["run_id"], "node_rank": self.node_rank, "state_dir": self.state_dir}
        return {**place, "attempt": self.attempt}

    @property
    def files(self) -> RankFiles:
        """The files of the rank on the control node."""
        return RankFiles(attempt_dir(Path(self.plan["log_dir"]), self.attempt), self.node_rank)

    @property
    def judged(self) -> _verdict.Rank:
        """What the verdict needs to know of the rank."""
        resolved = self.plan["hosts"][self.host].get("resolved") or {}
        major = int(resolved.get("madengine_major") or 0)
        log = str(self.files.log)
        return _verdict.Rank(self.host, self.node_rank, int(self.plan["nnodes"]), major, self.plan["runner"], log)

    @property
    def lease_s(self) -> int:
        """The lease that the run was left with; one that was detached has none."""
        return 0 if self.plan.get("detach") else int(self.plan.get("lease_s") or 0)

    def followed(self, lease_s: int, grace_s: int) -> _follow.Rank:
        """Return what following needs to know of the rank; -1 for a time means that of the run."""
        return _follow.Rank(
            run_id=self.plan["run_id"],
            host=self.host,
            node_rank=self.node_rank,
            state_dir=self.state_dir,
            lease_s=lease_s if lease_s >= 0 else self.lease_s,
            grace_s=grace_s if grace_s >= 0 else int(self.plan.get("grace_s") or DEFAULT_GRACE_S),
            stop_on_failure=self.plan["on_failure"] == "stop",
            attempt=self.attempt,
            silence_timeout_s=int(self.plan.get("silence_timeout_s") or 0),
        )
