# SPDX-License-Identifier: GPL-3.0-or-later
"""What has come from the nodes and is not on the screen yet: a queue between two threads, bounded by its bytes."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NothingYetError(Exception):
    """Nothing came in time."""


class Backlog(Generic[Item]):
    """A queue of items whose sizes are known.

    A screen that stands still (Ctrl-S, a laptop asleep) must not hold up the polls that keep the ranks alive, so there
    is much room. It ends all the same: nodes that print faster than the screen shows are slowed down rather than lost.

    Args:
        limit_bytes: what the items may have together; one that is larger waits until it is alone.

    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._items: deque[tuple[Item, int]] = deque()
        self._changed = threading.Condition()

    def put(self, item: Item, size_bytes: int, timeout_s: float) -> bool:
        """Add an item; false when there was no room in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(size_bytes), timeout_s):
                return False
            self._items.append((item, size_bytes))
            self._held_bytes += size_bytes
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> Item:
        """Take the oldest item; raises `NothingYetError` when none came in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._items), timeout_s):
                raise NothingYetError
            item, size_bytes = self._items.popleft()
            self._held_bytes -= size_bytes
            self._changed.notify_all()
            return item

    def _has_room(self, size_bytes: int) -> bool:
        return not self._items or self._held_bytes + size_bytes <= self._limit_bytes
