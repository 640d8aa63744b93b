# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stop ladder: SIGINT, SIGTERM, SIGKILL, with a grace between, until no process of the run is left.

SIGINT comes first and once, because it is the only signal on which madengine removes its container; a second one, sent
to the `docker rm` that it then runs, would undo that.
"""

from __future__ import annotations

import signal

from . import processes
from .lease import now_s

TYPE_CHECKING = False  # the supervisor runs for as long as the job: typing would cost it half a megabyte
if TYPE_CHECKING:
    from typing import Callable

# SIGKILL cannot be refused, only delayed: by a process that waits in the kernel, for a dead file server or a GPU.
KILL_WAIT_S = 10.0
LEFTOVER_GRACE_S = 2.0
_LOOK_EVERY_S = 0.2
_KILL_EVERY_S = 0.05
_LOOK_AGAIN_S = 0.02


def full(grace_s: float) -> list[tuple[int, float]]:
    """Return the steps for a job that is to be stopped: (signal, seconds until the next step)."""
    return [(signal.SIGINT, grace_s), (signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_WAIT_S)]


def leftovers(grace_s: float) -> list[tuple[int, float]]:
    """Return the steps for what is left when the job itself has ended: nothing has a container to remove now."""
    return [(signal.SIGTERM, min(grace_s, LEFTOVER_GRACE_S)), (signal.SIGKILL, KILL_WAIT_S)]


class Ladder:
    """One descent of a ladder. Call `advance` until it returns None.

    Args:
        steps: (signal, seconds) in order; see `full` and `leftovers`.
        find: returns the processes of the run that are there now.
        clock: seconds on a clock that nobody sets.

    """

    def __init__(
        self,
        steps: list[tuple[int, float]],
        find: Callable[[], list[processes.Process]],
        clock: Callable[[], float] = now_s,
    ) -> None:
        self.left: list[processes.Process] = []
        self._steps = list(steps)
        self._find = find
        self._clock = clock
        self._step_began_s: float | None = None
        self._signaled: set[processes.Process] = set()
        self._empty_before = False

    def advance(self) -> float | None:
        """Do what is due; return in how many seconds to look again, None when it is over (see `left`)."""
        self.left = self._find()
        if not self.left:
            return self._when_empty()
        self._empty_before = False
        if not self._enter_step():
            return None
        signum, seconds = self._steps[0]
        self._signal(signum)
        if signum == signal.SIGKILL:
            return _KILL_EVERY_S
        return min(_LOOK_EVERY_S, max(0.0, self._began_s + seconds - self._clock()))

    @property
    def _began_s(self) -> float:
        return self._clock() if self._step_began_s is None else self._step_began_s

    def _when_empty(self) -> float | None:
        # A process that was born while /proc was read, and whose parent died meanwhile, shows up only the second time.
        if self._empty_before:
            return None
        self._empty_before = True
        return _LOOK_AGAIN_S

    def _enter_step(self) -> bool:
        """Go to the next step if the time of this one is over; False after the last."""
        if self._step_began_s is not None and self._clock() >= self._step_began_s + self._steps[0][1]:
            if len(self._steps) == 1:
                return False
            del self._steps[0]
            self._step_began_s = None
        if self._step_began_s is None:
            self._step_began_s = self._clock()
            self._signaled = set()
        return True

    def _signal(self, signum: int) -> None:
        if signum == signal.SIGINT and self._signaled:
            return
        for process in self.left:
            if signum != signal.SIGKILL and process in self._signaled:
                continue
            self._signaled.add(process)
            processes.send(process, signum)
            if process.state == "T":
                # A stopped process acts on a signal only when it is continued.
                processes.send(process, signal.SIGCONT)
