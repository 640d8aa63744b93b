# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lines of a rank are shown: as they come, or in portions that AWX can show.

Private to the collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils import _awx, _masking, _shown

if TYPE_CHECKING:
    from collections.abc import Mapping


class Screen:
    """The screen of the worker of one rank; `secrets` are masked in all that is shown.

    Attributes:
        in_awx: Whether AWX runs the play.
        shows_lines: Whether the lines of this rank are shown; what is said about it always is.
        poll_every_s: Seconds between two looks at the log of the rank, at least.
        ranks: How many ranks have their lines shown.
    """

    def __init__(
        self, plan: Mapping[str, Any], node_rank: int, variables: Mapping[str, Any], secrets: tuple[str, ...]
    ) -> None:
        self.in_awx = _awx.job_of(variables) is not None
        self._secrets = secrets
        # The plan of a run of an older version has no word about it.
        show_ranks, fold = str(plan.get("show_ranks") or "auto"), bool(plan.get("fold"))
        ranks = _shown.ranks_shown(show_ranks, int(plan["nnodes"]), in_awx=self.in_awx, fold=fold)
        self.ranks = len(ranks)
        self.shows_lines = node_rank in ranks
        self.poll_every_s = _awx.POLL_EVERY_S if self.in_awx else 0.0

    def show(self, text: str) -> None:
        """Show text of one or more lines."""
        masked = _masking.masked(text, self._secrets)
        for part in _awx.event_texts(masked) if self.in_awx else [masked]:
            Display().display(part)


def no_lines(_lines: list[str]) -> None:
    """Show nothing; the log has the lines."""
