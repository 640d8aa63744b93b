# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a command that waits for its host, because there is something to say to that host.

Private to the collection. A rank that prints nothing is asked seldom, and each question waits long for its answer, so
that an idle host costs next to nothing. A stop must not wait for that.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.madlaunch.multinode.plugins.plugin_utils._follow import HostLostError, PollInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.madlaunch.multinode.plugins.plugin_utils._follow import Node, Poll

_LOOK_EVERY_S = 1.0
# `starttime` is field 22, counted here from `state`, field 3.
_START = 19


class Interruption:
    """While it is open, ends the children that this process starts meanwhile, as soon as `is_wanted` says so.

    The children of a worker of Ansible are the clients of its connection: of ssh the one that waits, not the shared
    connection, which belongs to nobody. Children that were there before are somebody else's.

    Attributes:
        happened: Whether a child was ended.

    """

    def __init__(self, is_wanted: Callable[[], bool], every_s: float | None = None) -> None:
        self.happened = False
        self._is_wanted = is_wanted
        self._every_s = _LOOK_EVERY_S if every_s is None else every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="interruption", daemon=True)

    def __enter__(self) -> Interruption:  # noqa: PYI034 - Self came with Python 3.11, this runs on 3.10 too
        self._opened_ticks = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            if self._is_wanted():
                for child in _children(os.getpid(), self._opened_ticks):
                    self.happened = True
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGTERM)


class Connection(Protocol):
    """What matters here of a connection plugin."""

    @property
    def transport(self) -> str:
        """Name of the kind of connection."""

    @property
    def has_pipelining(self) -> bool:
        """Whether a call is one command."""

    @property
    def become(self) -> object | None:
        """The plugin that becomes another user on the host; None for none."""


def interruptible(connection: Connection, node: Node) -> Poll | None:
    """Return how `follow` is called so that it can be given up; None where that cannot be done safely.

    A connection other than ssh has no child that could be ended, and without pipelining a call is several commands, of
    which the last ones clear up. When such a call is given up, or its ssh is killed, sshd hangs up on the node program;
    with `become` there may be a sudo in between, which does not.
    """
    if connection.transport != "ssh" or not connection.has_pipelining:
        return None
    holds_line = connection.become is None

    def poll(arguments: dict[str, Any], must_end: Callable[[], bool]) -> dict[str, Any]:
        with Interruption(must_end) as interruption:
            try:
                return node("follow", {**arguments, "holds_line": holds_line})
            except HostLostError as error:
                if interruption.happened:
                    raise PollInterruptedError from error
                raise

    return poll


def _children(parent: int, since_ticks: int) -> Iterator[int]:
    """Yield the direct children that were started since then, from Linux' /proc (ticks since the boot, see proc(5)).

    Elsewhere there are none, and a command runs to its end.
    """
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # "pid (name) state ppid ...", where the name may hold anything; a zombie has ended already.
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z" and int(fields[_START]) >= since_ticks:
                yield int(path.parent.name)
