# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow one rank until it has ended: relay its lines, keep its log, and take part in the gang.

Private to the collection. Everything outside is handed in (the call of the node, the screen, the clock), so that the
loop can be tested without Ansible.
"""

from __future__ import annotations

import base64
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.madlaunch.multinode.plugins.module_utils import _relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir

MAX_POLL_BYTES = 4 * 1024 * 1024
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 5.0
RETRY_PAUSE_S = 2.0
# Without a lease a rank outlives its control node on purpose; this long it is looked for before it is given up.
LOST_AFTER_WITHOUT_LEASE_S = 120.0


class HostLostError(Exception):
    """The host did not answer this time; the rank may well be running."""


class NodeRefusedError(Exception):
    """The host answers, but it cannot say anything of the rank (its run directory is gone, for example)."""


class Node(Protocol):
    """The node program of one host. Raises `HostLostError` and `NodeRefusedError`."""

    def __call__(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what `entry` answers."""


@dataclass(frozen=True)
class Rank:
    """What names a rank: the run, the host (its inventory name), and where the node keeps its state."""

    run_id: str
    host: str
    node_rank: int
    state_dir: str
    lease_s: int
    grace_s: int
    stop_on_failure: bool

    @property
    def lost_after_s(self) -> float:
        """Seconds without an answer after which the host is given up: by then the lease has ended the rank."""
        return self.lease_s + 2 * self.grace_s + 10 if self.lease_s else LOST_AFTER_WITHOUT_LEASE_S


@dataclass(frozen=True)
class Ending:
    """How following ended: the node's last status and evidence, or why there is none."""

    status: dict[str, Any] | None
    evidence: dict[str, Any] | None
    lost_reason: str = ""
    stop_request: dict[str, Any] | None = None
    stop_answer: dict[str, Any] | None = None


@dataclass
class RankLog:
    """The raw log of a rank on the control node, byte for byte as the node has it."""

    path: Path
    size_bytes: int = 0
    error: str = ""

    def append(self, data: bytes) -> None:
        """Add `data`; a disk that is full must not end the run, so the error is kept and the rest left out."""
        self.size_bytes += len(data)
        if self.error or not data:
            return
        try:
            with self.path.open("ab") as stream:
                stream.write(data)
        except OSError as error:
            self.error = f"{self.path}: {error.strerror}"


@dataclass
class Follower:
    """The loop of one worker. `judge(status, evidence)` says whether a rank that ended has failed."""

    rank: Rank
    node: Node
    log: RankLog
    gang: ControlDir
    show: Callable[[str], None]
    failed: Callable[[dict[str, Any], dict[str, Any]], bool]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _lines: _relay.LineSplitter = field(default_factory=_relay.LineSplitter)
    _wait_s: float = FIRST_WAIT_S
    _lost_since_s: float | None = None
    _stop_request: dict[str, Any] | None = None
    _stop_answer: dict[str, Any] | None = None

    def run(self) -> Ending:
        """Poll until the rank has ended and all its bytes are here, or its host has been lost for too long."""
        while True:
            try:
                ending = self._round()
            except HostLostError as error:
                ending = self._lost(str(error))
            except NodeRefusedError as error:
                ending = Ending(None, None, lost_reason=str(error))
            if ending is not None:
                self._tell_gang(ending)
                return ending

    def _round(self) -> Ending | None:
        self._obey_stop()
        answer = self.node("follow", self._poll_arguments())
        if self._lost_since_s is not None:
            self._say(f"connected again after {self.clock() - self._lost_since_s:.0f} s")
            self._lost_since_s = None
        self._take(zlib.decompress(base64.b64decode(answer["data"])))
        if answer["results"] is None:
            return None
        self._show(self._lines.flush())
        if self.log.error:
            self._say(f"the log on the control node is not complete ({self.log.error}); the node has it whole")
        return Ending(answer["status"], answer["results"], "", self._stop_request, self._stop_answer)

    def _poll_arguments(self) -> dict[str, Any]:
        rank = self.rank
        return {
            "run_id": rank.run_id,
            "node_rank": rank.node_rank,
            "state_dir": rank.state_dir,
            "lease_s": rank.lease_s,
            "offset": self.log.size_bytes,
            "wait_s": self._wait_s,
            "max_bytes": MAX_POLL_BYTES,
            "want_results": True,
        }

    def _take(self, data: bytes) -> None:
        # A rank that prints is asked often, one that is silent seldom: an idle host must cost next to nothing.
        self._wait_s = FIRST_WAIT_S if data else min(LONGEST_WAIT_S, self._wait_s * 1.5)
        self.log.append(data)
        self._show(self._lines.feed(data, self.clock()))

    def _show(self, lines: list[str]) -> None:
        if lines:
            self.show(_relay.labeled(self.rank.host, self.rank.node_rank, lines))

    def _say(self, text: str) -> None:
        self.show(f"{self.rank.host} (rank {self.rank.node_rank}): {text}")

    def _obey_stop(self) -> None:
        if self._stop_request is not None:
            return
        request = self.gang.stop_request()
        if request is None:
            return
        rank = self.rank
        arguments = {"run_id": rank.run_id, "node_rank": rank.node_rank, "state_dir": rank.state_dir}
        arguments.update(reason=request["reason"], grace_s=rank.grace_s)
        self._stop_answer = self.node("stop", arguments)
        self._stop_request = request

    def _lost(self, reason: str) -> Ending | None:
        now_s = self.clock()
        if self._lost_since_s is None:
            self._lost_since_s = now_s
            self._say(f"no answer, trying again for {self.rank.lost_after_s:.0f} s: {reason}")
        if now_s - self._lost_since_s >= self.rank.lost_after_s:
            self._show(self._lines.flush())
            return Ending(None, None, reason, self._stop_request, None)
        self.sleep(RETRY_PAUSE_S)
        return None

    def _tell_gang(self, ending: Ending) -> None:
        if not self.rank.stop_on_failure or ending.stop_request is not None:
            return
        culprit = {"host": self.rank.host, "node_rank": self.rank.node_rank}
        if ending.status is None or ending.evidence is None:
            error = self.gang.request_stop("lost", culprit)
        elif self.failed(ending.status, ending.evidence):
            error = self.gang.request_stop("gang", culprit)
        else:
            return
        if error:
            self._say(f"the other ranks could not be asked to stop ({error}); stop the run by hand")
