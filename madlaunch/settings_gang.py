# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the settings table for what all ranks do together: fall silent, start again, print the same, share hosts."""

from __future__ import annotations

import re

from madlaunch import settings_parse as parse
from madlaunch.settings_limits import GROUP_CHECK, GROUP_END, GROUP_OUTPUT, MAX_RESTARTS_ALLOWED, ONE_YEAR_S
from madlaunch.settings_model import Setting

_RANKS = re.compile(r"auto|all|[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*")


def _read_ranks(text: str) -> str:
    if not _RANKS.fullmatch(text):
        msg = f"{text!r} names no ranks"
        raise ValueError(msg)
    return text


SILENCE_TIMEOUT_S = Setting(
    "silence_timeout_s",
    parse.whole_number(0, ONE_YEAR_S),
    0,
    "End the run when no rank has printed anything for so long, with a stack dump of each rank; 0 for never.",
    GROUP_END,
    scope="run",
    metavar="SECONDS",
)
MAX_RESTARTS = Setting(
    "max_restarts",
    parse.whole_number(0, MAX_RESTARTS_ALLOWED),
    0,
    "Start the whole gang again after a failure, at most so often, and within the time limit of the run.",
    GROUP_END,
    scope="run",
    metavar="N",
)
SHARE_HOSTS = Setting(
    "share_hosts",
    parse.yes_or_no(),
    default=False,
    help="Run beside another run that has the same master port or the same GPUs.",
    group=GROUP_CHECK,
    scope="run",
    kind="switch",
)
FOLD = Setting(
    "fold",
    parse.yes_or_no(),
    default=False,
    help="Show a line that several ranks print within a second once, as [node[01-16]:0-15]; the logs hold every line.",
    group=GROUP_OUTPUT,
    scope="run",
    kind="switch",
)
SHOW_RANKS = Setting(
    "show_ranks",
    parse.Parser("ranks such as 0,2-3, or all", lambda texts: _read_ranks(texts[-1])),
    "auto",
    "Show the lines of these ranks only; the logs hold those of all.",
    GROUP_OUTPUT,
    scope="run",
    metavar="RANKS",
)
