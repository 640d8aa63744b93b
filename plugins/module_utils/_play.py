# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a play gives a launch all its hosts at once, which a play that was written for other work may not do.

Private to the collection. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ._plan import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Those that go on to the next task when all hosts have ended the one before; `mitogen_linear` is one of them.
_IN_STEP = ("linear", "debug")
_NAMES_SHOWN = 8


class Play(NamedTuple):
    """A play as Ansible's magic variables tell it: all hosts, those that have not failed, those of this batch."""

    hosts: Sequence[str]
    remaining: Sequence[str]
    batch: Sequence[str]
    strategy: str


def check_in_step(play: Play) -> None:
    """Raise `PlanError` when the hosts of a play do not go through its tasks together."""
    if not play.strategy.endswith(_IN_STEP):
        message = f"the play has the strategy {play.strategy}, with which each host goes through the tasks by itself."
        hint = "Write strategy: ansible.builtin.linear in the play that has the role, or import the playbook instead."
        raise PlanError("strategy", message, hint)
    later = [name for name in play.remaining if name not in play.batch]
    if later:
        message = f"the play has its hosts in batches (serial): {len(play.batch)} of {len(play.hosts)} are in this one."
        raise PlanError("serial", message, "Take serial out of the play that has the role: all ranks run at once.")


def check_complete(play: Play) -> None:
    """Raise `PlanError` when hosts have failed earlier in the same playbook, so that Ansible would go on without."""
    gone = [name for name in play.hosts if name not in play.remaining]
    if gone:
        rest = len(gone) - _NAMES_SHOWN
        names = ", ".join(gone[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
        message = f"hosts of the play have failed before in this playbook: {names}."
        raise PlanError("target", message, "Mend them, or leave them out: --limit 'all:!NAME'; then run it again.")


def check_alike(settings: Mapping[str, Mapping[str, object]]) -> None:
    """Raise `PlanError` for a setting of the run that differs from host to host, as that of one host would be taken.

    `settings` are those of each host that the inventory gives, None for one that it does not give.
    """
    names = list(settings)
    for name in names[1:]:
        first, other = settings[names[0]], settings[name]
        option = next((option for option in first if first[option] != other[option]), None)
        if option is not None:
            message = f"{option} is not the same for {names[0]} and {name}, but it is of the run as a whole."
            raise PlanError(option, message, f"Give {option} in the variables of the group or with -e, once for all.")
