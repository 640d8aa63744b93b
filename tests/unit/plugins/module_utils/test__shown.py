# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ranks have their lines shown."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError
from ansible_collections.madlaunch.multinode.plugins.module_utils._shown import ranks_shown


@pytest.mark.parametrize(
    ("show_ranks", "expected"),
    [("all", {0, 1, 2, 3}), ("0", {0}), ("3", {3}), ("0, 2-3", {0, 2, 3}), ("2-99", {2, 3}), ("1,9", {1})],
)
@pytest.mark.parametrize("in_awx", [True, False], ids=["awx", "terminal"])
def test_ranks_when_named_then_are_those(show_ranks: str, expected: set[int], *, in_awx: bool) -> None:
    """A range ends with the last rank that there is."""
    assert ranks_shown(show_ranks, 4, in_awx=in_awx, fold=False) == expected


@pytest.mark.parametrize(
    ("in_awx", "fold", "expected"),
    [(False, False, {0, 1}), (False, True, {0, 1}), (True, True, {0, 1}), (True, False, {0})],
)
def test_ranks_when_auto_then_is_rank_0_alone_in_awx(*, in_awx: bool, fold: bool, expected: set[int]) -> None:
    """Unless lines are folded: then all of them are little."""
    assert ranks_shown("auto", 2, in_awx=in_awx, fold=fold) == expected


@pytest.mark.parametrize("show_ranks", ["", "first", "0-", "4", "-1", "0;1"])
def test_ranks_when_none_is_named_then_it_is_refused(show_ranks: str) -> None:
    """A launch whose output is not shown by mistake would be found out too late."""
    with pytest.raises(PlanError, match="show_ranks is"):
        ranks_shown(show_ranks, 4, in_awx=False, fold=False)
