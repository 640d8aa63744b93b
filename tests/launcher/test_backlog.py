# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue between Ansible and the screen."""

from __future__ import annotations

import threading
import time

import pytest

from madlaunch.backlog import Backlog, NothingYetError


def test_get_then_items_come_in_order_and_make_room() -> None:
    """What was put first comes first; a full backlog takes no more until something was taken."""
    backlog: Backlog[str] = Backlog(10)
    assert [backlog.put("a", 6, 0), backlog.put("b", 4, 0), backlog.put("c", 1, 0)] == [True, True, False]
    assert backlog.get(0) == "a"
    assert backlog.put("c", 6, 0)
    assert [backlog.get(0), backlog.get(0)] == ["b", "c"]


def test_put_when_an_item_is_larger_than_all_room_then_it_waits_until_it_is_alone() -> None:
    """A line of many megabytes is no reason to stand still for ever."""
    backlog: Backlog[str] = Backlog(10)
    assert backlog.put("small", 1, 0)
    assert not backlog.put("huge", 1000, 0)
    backlog.get(0)
    assert backlog.put("huge", 1000, 0)


def test_get_when_nothing_comes_then_says_so_in_time() -> None:
    """Whoever waits can look after other things in between."""
    backlog: Backlog[str] = Backlog(10)
    began_s = time.monotonic()
    with pytest.raises(NothingYetError):
        backlog.get(0.1)
    assert 0.1 <= time.monotonic() - began_s < 2


def test_put_and_get_when_in_two_threads_then_wake_each_other() -> None:
    """Neither side polls: a waiting one goes on as soon as it can."""
    backlog: Backlog[int] = Backlog(3)
    thread = threading.Thread(target=lambda: [backlog.put(number, 1, 10) for number in range(1000)])
    thread.start()
    began_s = time.monotonic()
    assert [backlog.get(10) for _ in range(1000)] == list(range(1000))
    thread.join()
    assert time.monotonic() - began_s < 5
