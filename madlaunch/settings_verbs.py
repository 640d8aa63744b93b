# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows of the settings table each verb takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from madlaunch.settings_known import DETACH, FOLLOW, RANK, RUN_ID, TAIL
from madlaunch.settings_limits import GROUP_LOGIN
from madlaunch.settings_table import (
    CHECK_ONLY,
    CONFIG,
    DRY_RUN,
    ENV_FILE,
    FORKS,
    GRACE_S,
    HOSTFILE,
    INVENTORY,
    LEASE_S,
    LIMIT,
    LOG_DIR,
    NODE_STATE_DIR,
    NODES,
    OUTPUT,
    TABLE,
    VERBOSE,
)

if TYPE_CHECKING:
    from madlaunch.request import Mode
    from madlaunch.settings_model import Setting

LAUNCHES: tuple[Mode, ...] = ("run", "check", "render")
"""Verbs that plan a launch."""
KNOWN: tuple[Mode, ...] = ("status", "logs", "attach", "stop", "list", "collect")
"""Verbs for runs that were started before."""
VERBS: tuple[Mode, ...] = (*LAUNCHES, *KNOWN)

REACH: tuple[Setting[Any], ...] = (
    *(NODES, HOSTFILE, INVENTORY, LIMIT, FORKS),
    *(row for row in TABLE if row.group == GROUP_LOGIN),
    NODE_STATE_DIR,
)
"""How nodes are found and logged in to."""
_SPEAKING = (CONFIG, OUTPUT, VERBOSE)
_OF_KNOWN: dict[str, tuple[Setting[Any], ...]] = {
    "status": (RUN_ID, ENV_FILE),
    "logs": (RUN_ID, FOLLOW, RANK, TAIL, ENV_FILE),
    "attach": (RUN_ID, LEASE_S, GRACE_S, LOG_DIR, ENV_FILE),
    "stop": (RUN_ID, GRACE_S),
    "list": (),
    "collect": (RUN_ID, LOG_DIR, ENV_FILE),
}


def settings_of(verb: str) -> tuple[Setting[Any], ...]:
    """Return the settings that ``verb`` takes, in the order of the table.

    The two switches that only turn a run into another verb are run's, and so is the one that leaves a run alone.
    """
    if verb in _OF_KNOWN:
        taken = (*_OF_KNOWN[verb], *REACH, *_SPEAKING)
        return tuple(row for row in TABLE if row in taken)
    left_out = (RUN_ID, FOLLOW, RANK, TAIL)
    if verb != "run":
        left_out = (*left_out, CHECK_ONLY, DRY_RUN, DETACH)  # type: ignore[assignment] # rows of several types
    return tuple(row for row in TABLE if row not in left_out)
