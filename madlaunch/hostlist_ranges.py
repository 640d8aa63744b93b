# SPDX-License-Identifier: GPL-3.0-or-later
"""``node[01-16]`` to names, in the order in which they were written.

ClusterShell's RangeSet reads each range (padding, steps). Its NodeSet is not used, because it sorts and
folds, and the order of the nodes is the order of the ranks here.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from ClusterShell.RangeSet import RangeSet, RangeSetException

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NODES = 4096
"""More hosts than this in one launch is taken for a slip of the keyboard."""
RANGE_FORM = "ranges like node[01-16], node[1,3,5-8] or node[0-30/10]"

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?:/([0-9]{1,9}))?)?")


def expand(pattern: str) -> tuple[str, ...]:
    """Return the names of ``pattern``; several ranges in one pattern vary from the right.

    Raises:
        ValueError: the reason why a range cannot be read, or more than :data:`MAX_NODES` names.

    """
    pieces = _BRACKETS.split(pattern)
    if any(bracket in literal for literal in pieces[::2] for bracket in "[]"):
        msg = f"the brackets of {pattern!r} do not match"
        raise ValueError(msg)
    count = 1
    for body in pieces[1::2]:
        count *= sum(_count(part, pattern) for part in body.split(","))
        if count > MAX_NODES:
            msg = f"{pattern!r} stands for more than {MAX_NODES} hosts"
            raise ValueError(msg)
    choices = [list(_numbers(piece)) if index % 2 else [piece] for index, piece in enumerate(pieces)]
    return tuple("".join(parts) for parts in itertools.product(*choices))


def _count(part: str, pattern: str) -> int:
    """Return how many numbers ``part`` (``3`` or ``01-16`` or ``0-30/10``) stands for, without making them."""
    match = _RANGE.fullmatch(part)
    if match is None:
        msg = f"{part!r} in {pattern!r} is not a range" if part else f"a range of {pattern!r} is empty"
        raise ValueError(msg)
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    if last < first:
        msg = f"{part!r} in {pattern!r} runs backwards"
        raise ValueError(msg)
    if step == 0:
        msg = f"{part!r} in {pattern!r} has a step of 0"
        raise ValueError(msg)
    return (last - first) // step + 1


def _numbers(body: str) -> Iterator[str]:
    """Yield the numbers of one pair of brackets, padded as written."""
    for part in body.split(","):
        try:
            yield from RangeSet(part).striter()  # type: ignore[no-untyped-call]  # ClusterShell has no types
        except RangeSetException as error:
            msg = f"{part!r} is not a range ({error})"
            raise ValueError(msg) from error
