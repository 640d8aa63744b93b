# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the settings table for runs that are left alone or were started before."""

from __future__ import annotations

from madlaunch import settings_parse as parse
from madlaunch.settings_limits import GROUP_END, GROUP_KNOWN
from madlaunch.settings_model import Setting

_MAX_TAIL = 10_000_000
_MAX_RANK = 99_999


def _or_all(number: parse.Parser[int]) -> parse.Parser[int | None]:
    """Return a parser that takes '' for all."""
    return parse.Parser(f"{number.allowed}; '' for all", lambda texts: number.parse(texts) if texts[-1] else None)


RUN_ID = Setting(
    "run_id",
    parse.word_or_nothing("the id of a run, or the beginning of just one"),
    "",
    "The id of the run, or the beginning of just one; without it the newest run.",
    GROUP_KNOWN,
    metavar="RUN_ID",
    positional=True,
)
FOLLOW = Setting(
    "follow",
    parse.yes_or_no(),
    default=False,
    help="Stay and show what comes, until the ranks have ended.",
    group=GROUP_KNOWN,
    kind="switch",
    short="-f",
)
RANK = Setting(
    "rank",
    _or_all(parse.whole_number(0, _MAX_RANK)),
    None,
    "Only the lines of the rank with this number.",
    GROUP_KNOWN,
    metavar="N",
)
TAIL = Setting(
    "tail",
    _or_all(parse.whole_number(0, _MAX_TAIL)),
    None,
    "Only so many last lines of each rank.",
    GROUP_KNOWN,
    metavar="N",
)
DETACH = Setting(
    "detach",
    parse.yes_or_no(),
    default=False,
    help="Leave as soon as every rank is up; the run then goes on without a launcher and without a lease.",
    group=GROUP_END,
    scope="run",
    kind="switch",
)
