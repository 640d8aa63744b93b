# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the workers of the preflight wait for each other: what one host has to tell the others, on the control node.

Private to the collection.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible_collections.madlaunch.multinode.plugins.plugin_utils._playbook_process import (
    is_playbook_gone,
    playbook_pid,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir

# Longer than a login that times out and all that a host looks at, one after the other.
_PATIENCE_S = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25


class Meeting:
    """The workers of all hosts; each says once that it has been to its host, and whether that one gave facts.

    A worker that died says nothing, so nobody waits for ever, nor longer than ansible-playbook lives.
    """

    def __init__(
        self,
        gang: ControlDir,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gang = gang
        self._clock = clock
        self._sleep = sleep
        self._playbook_pid = playbook_pid()

    @property
    def is_off(self) -> bool:
        """Whether a person has ended the launch meanwhile."""
        return self._gang.has_stop()

    def come(self, node_rank: int, told: dict[str, Any] | None) -> None:
        """Say that the worker of `node_rank` has been there; `told` is what the others have to know, None for no facts.

        Only what rank 0 tells is kept.
        """
        if node_rank == 0:
            self._gang.tell("master", told or {})
        elif told is not None:
            self._gang.count("answered")
        self._gang.count("probed")

    def master(self) -> dict[str, Any]:
        """Wait for rank 0; return what it told, {} when it gave no facts."""
        self._wait(lambda: self._gang.told("master") is not None)
        return self._gang.told("master") or {}

    def peers(self, nnodes: int, meanwhile: Callable[[], object], every_s: float) -> int:
        """Wait for all hosts and call `meanwhile` every so often; return how many of the others gave facts."""
        self._wait(lambda: self._gang.counted("probed") >= nnodes, meanwhile, every_s)
        return self._gang.counted("answered")

    def _wait(
        self, is_there: Callable[[], bool], meanwhile: Callable[[], object] | None = None, every_s: float = _PATIENCE_S
    ) -> None:
        called_at_s = self._clock()
        ends_at_s = called_at_s + _PATIENCE_S
        pause_s = _FIRST_PAUSE_S
        while not (is_there() or self.is_off or is_playbook_gone(self._playbook_pid) or self._clock() >= ends_at_s):
            self._sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)
            if meanwhile and self._clock() >= called_at_s + every_s:
                meanwhile()
                called_at_s = self._clock()
