# SPDX-License-Identifier: GPL-3.0-or-later
"""The time limit of a model."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Iterator

if TYPE_CHECKING:
    from types import FrameType


@contextlib.contextmanager
def time_limit(seconds: int | None) -> Iterator[None]:
    """Raise TimeoutError in the block when the time is over; None and 0 mean no limit."""

    def expired(_signum: int, _frame: FrameType | None) -> None:
        message = f"Program timed out. Requested timeout={seconds}"
        raise TimeoutError(message)

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds or 0)
    try:
        yield
    finally:
        signal.alarm(0)
