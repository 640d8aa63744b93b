# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that were given with -e under a name that is nearly one of ours, and would be ignored.

Private to the collection. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._plan import PlanError

if TYPE_CHECKING:
    from collections.abc import Collection

# Flags of the launcher whose variable has another name.
_FLAGS = {
    "timeout": "timeout_s",
    "skip_check": "skip_checks",
    "env": "container_env",
    "env_file": "container_env_secret",
}
_FOREIGN = ("ansible_", "awx_", "tower_")
_ALIKE = 0.88


def check(extra_vars: Mapping[str, Any], ours: Collection[str]) -> None:
    """Raise `PlanError` for the first extra variable that is most likely meant to be another, one of `ours`."""
    for name, value in extra_vars.items():
        if name in ours or name.startswith(_FOREIGN) or (name == "env" and not isinstance(value, Mapping)):
            continue
        close = difflib.get_close_matches(name, sorted(ours), n=1, cutoff=_ALIKE)
        meant = _FLAGS.get(name) or next(iter(close), "")
        if meant:
            hint = f"Give {meant} instead; a variable for something else needs a name that is less alike."
            raise PlanError(name, f"{name} is no variable of a launch and would be ignored.", hint)
