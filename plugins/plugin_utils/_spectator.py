# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the log of a rank as a spectator: the last lines, then what comes, without a lease and without the gang.

Private to the collection. The call of the node and the screen are handed in.
"""

from __future__ import annotations

import base64
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.madlaunch.multinode.plugins.module_utils import _relay
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _follow

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 1024 * 1024
ALL_LINES = -1


@dataclass
class Spectator:
    """Shows the log of one rank of one attempt. `wait` says whether to stay until the rank has ended."""

    place: dict[str, Any]
    """`run_id`, `node_rank`, `state_dir` and `attempt`, as the node program takes them."""
    node: _follow.Node
    show: Callable[[list[str]], None]
    wait: bool = False
    tail: int = ALL_LINES
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _lines: _relay.LineSplitter = field(default_factory=_relay.LineSplitter)
    _lost_since_s: float | None = None

    def run(self) -> dict[str, Any]:
        """Show the lines; return the last STATUS.

        Raises `_follow.HostLostError` when the host does not answer, for a while if it is waited for, and
        `_follow.NodeRefusedError` when the rank or its log is gone.
        """
        answer = self._ask(0, 0, 0.0)
        end_bytes = int(answer["size_bytes"])
        offset = self._tail_offset(end_bytes)
        status: dict[str, Any] = answer["status"]
        wait_s = _follow.FIRST_WAIT_S if self.wait else 0.0
        while self.wait or offset < end_bytes:
            wanted = CHUNK_BYTES if self.wait else min(CHUNK_BYTES, end_bytes - offset)
            answer = self._patiently(offset, wanted, wait_s)
            data, status = _data(answer), answer["status"]
            self.show(self._lines.feed(data, self.clock()))
            offset += len(data)
            if status["state"] == "ended" and offset >= int(answer["size_bytes"]):
                break
            wait_s = self._next_wait(wait_s, data)
        self.show(self._lines.flush())
        return status

    def _next_wait(self, wait_s: float, data: bytes) -> float:
        if not self.wait:
            return 0.0
        return _follow.FIRST_WAIT_S if data else min(_follow.LONGEST_WAIT_S, wait_s * 1.5)

    def _ask(self, offset: int, max_bytes: int, wait_s: float) -> dict[str, Any]:
        arguments = {**self.place, "offset": offset, "max_bytes": max_bytes, "wait_s": wait_s}
        return self.node("follow", {**arguments, "lease_s": 0, "renew": False, "want_results": False})

    def _patiently(self, offset: int, max_bytes: int, wait_s: float) -> dict[str, Any]:
        """Ask again when the host does not answer, as long as it pays to wait for it."""
        while True:
            try:
                answer = self._ask(offset, max_bytes, wait_s)
            except _follow.HostLostError:
                self._lost_since_s = self._lost_since_s or self.clock()
                gone_s = self.clock() - self._lost_since_s
                if not self.wait or gone_s >= _follow.LOST_AFTER_WITHOUT_LEASE_S:
                    raise
                self.sleep(_follow.RETRY_PAUSE_S)
            else:
                self._lost_since_s = None
                return answer

    def _tail_offset(self, end_bytes: int) -> int:
        """Return where the last `tail` lines begin, reading backwards from the end of the log."""
        if self.tail == ALL_LINES:
            return 0
        begin, behind = end_bytes, b""
        # The line that is being written, without its newline yet, counts as one.
        while begin > 0 and _line_starts(behind, self.tail) is None:
            step = min(CHUNK_BYTES, begin)
            begin -= step
            behind = _data(self._patiently(begin, step, 0.0)) + behind
        start = _line_starts(behind, self.tail)
        return begin if start is None else begin + start


def _data(answer: dict[str, Any]) -> bytes:
    return zlib.decompress(base64.b64decode(answer["data"]))


def _line_starts(data: bytes, count: int) -> int | None:
    """Return where the last `count` lines of `data` begin; None if a line end before them is not in it."""
    if count == 0:
        return len(data)
    position = len(data.removesuffix(b"\n"))
    for _attempt in range(count):
        position = data.rfind(b"\n", 0, position)
        if position < 0:
            return None
    return position + 1
