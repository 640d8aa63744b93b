# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ranks have their lines shown while they run.

Private to the collection. Pure.
"""

from __future__ import annotations

import re

from ._plan import PlanError

_PART = re.compile(r"([0-9]+)(?:-([0-9]+))?\Z")
_FORMS = "Give all, ranks like 0,2-3, or auto: all, in AWX rank 0 alone."


def ranks_shown(show_ranks: str, nnodes: int, *, in_awx: bool, fold: bool) -> set[int]:
    """Return the ranks that `show_ranks` names among `nnodes`. Raises `PlanError` for what names none.

    `auto` is all of them. In AWX, which has a limit for what it shows of a job, it is rank 0, unless lines are folded.
    """
    if show_ranks == "auto" and in_awx and not fold:
        return {0}
    if show_ranks in ("all", "auto"):
        return set(range(nnodes))
    ranks: set[int] = set()
    for part in show_ranks.split(","):
        match = _PART.match(part.strip())
        if not match:
            raise PlanError("show_ranks", f"show_ranks is {show_ranks!r}.", _FORMS)
        ranks.update(range(int(match[1]), min(int(match[2] or match[1]), nnodes) + 1))
    if not ranks & set(range(nnodes)):
        raise PlanError("show_ranks", f"show_ranks is {show_ranks!r}, but the ranks are 0 to {nnodes - 1}.", _FORMS)
    return ranks & set(range(nnodes))
