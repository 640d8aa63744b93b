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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.madlaunch.multinode.plugins.module_utils import _relay
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import BY_USER, with_cleanliness
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._playbook_process import (
    is_playbook_gone,
    playbook_pid,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import RankOutcome
    from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir

MAX_POLL_BYTES = 4 * 1024 * 1024
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 5.0
# Where a poll can be interrupted when there is something to say to the host.
LONGEST_INTERRUPTIBLE_WAIT_S = 45.0
RETRY_PAUSE_S = 2.0
# Without a lease a rank outlives its control node on purpose; this long it is looked for before it is given up.
LOST_AFTER_WITHOUT_LEASE_S = 120.0


class HostLostError(Exception):
    """The host did not answer this time; the rank may well be running."""


class NodeRefusedError(Exception):
    """The host answers, but it cannot say anything of the rank (its run directory is gone, for example)."""


class PollInterruptedError(Exception):
    """The poll was given up, because the rank is to be stopped."""


class AbandonedError(Exception):
    """The playbook that started this worker is gone; nobody would hear of an outcome."""


class Node(Protocol):
    """The node program of one host. Raises `HostLostError` and `NodeRefusedError`."""

    def __call__(self, entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what `entry` answers."""


class Poll(Protocol):
    """A call of `follow` that may wait for long. Raises `PollInterruptedError` besides what `Node` does."""

    def __call__(self, arguments: dict[str, Any], must_end: Callable[[], bool]) -> dict[str, Any]:
        """Return what `follow` answers, unless `must_end` becomes true meanwhile."""


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
    # None: the newest attempt that the host has; then a stop is for good.
    attempt: int | None = None
    silence_timeout_s: int = 0

    @property
    def place(self) -> dict[str, Any]:
        """How the node program is told which rank is meant."""
        place = {"run_id": self.run_id, "node_rank": self.node_rank, "state_dir": self.state_dir}
        return place if self.attempt is None else {**place, "attempt": self.attempt}

    @property
    def lost_after_s(self) -> float:
        """Seconds without an answer, or a renewal, after which the host is given up: the lease has ended the rank."""
        return self.lease_s + 2 * self.grace_s + 10 if self.lease_s else LOST_AFTER_WITHOUT_LEASE_S


@dataclass(frozen=True)
class Ending:
    """How following ended: the node's last status and evidence, or why there is none."""

    status: dict[str, Any] | None
    evidence: dict[str, Any] | None
    lost_reason: str = ""
    stop_request: dict[str, Any] | None = None
    stop_answer: dict[str, Any] | None = None
    # What the node saw when it looked for what is left; None when nobody could look.
    clean: dict[str, Any] | None = None
    # The node's clock minus this machine's.
    clock_offset_s: float | None = None
    # There is no status although the host answers.
    refused: bool = False


def of_ending(outcome: RankOutcome, ending: Ending) -> RankOutcome:
    """Return the outcome with what following alone could tell: what is left on the host, and how its clock goes."""
    return with_cleanliness(replace(outcome, clock_offset_s=ending.clock_offset_s), ending.clean)


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
    wall_clock: Callable[[], float] = time.time
    show_lines: Callable[[list[str]], None] | None = None
    # A poll that can be given up; then an idle rank is asked more seldom.
    poll: Poll | None = None
    # Seconds from one poll to the next at least: where the screen takes only so many texts, each holds more lines.
    poll_every_s: float = 0.0
    playbook_pid: int = field(default_factory=playbook_pid)
    _lines: _relay.LineSplitter = field(default_factory=_relay.LineSplitter)
    _wait_s: float = FIRST_WAIT_S
    _lost_since_s: float | None = None
    _polled_at_s: float = float("-inf")
    _held_until_s: float = float("-inf")
    _given_up_at_s: float = float("inf")
    _stop_request: dict[str, Any] | None = None
    _stop_answer: dict[str, Any] | None = None

    def run(self) -> Ending:
        """Poll until the rank has ended and all its bytes are here, or its host has been lost for too long.

        Raises `AbandonedError` when ansible-playbook was killed: it would go on renewing the lease of a run that nobody
        watches.
        """
        self._live()
        while True:
            if is_playbook_gone(self.playbook_pid):
                message = "ansible-playbook has gone; the lease ends the rank"
                raise AbandonedError(message)
            try:
                ending = self._round()
            except PollInterruptedError:
                continue
            except HostLostError as error:
                ending = self._lost(str(error))
            except NodeRefusedError as error:
                ending = Ending(None, None, lost_reason=str(error), refused=True)
            if ending is not None:
                self._tell_gang(ending)
                return ending if ending.status is not None else self._cleared(ending)

    def _cleared(self, ending: Ending) -> Ending:
        """Return the end that nobody could see with what the node says to a stop."""
        # A host that was silent for so long has had its time; one that refused has not.
        return replace(ending, clean=self.clear(0.0 if self._lost_since_s is not None else self.rank.lost_after_s))

    def _round(self) -> Ending | None:
        self._pace()
        self._obey_stop()
        answer = self._polled()
        offset_s = answer["now_s"] - self.wall_clock() if "now_s" in answer else None
        if self._lost_since_s is not None:
            self._say(f"connected again after {self.clock() - self._lost_since_s:.0f} s")
            self._lost_since_s = None
        self._take(zlib.decompress(base64.b64decode(answer["data"])))
        if answer["results"] is None:
            return None
        self._show(self._lines.flush())
        if self.log.error:
            self._say(f"the log on the control node is not complete ({self.log.error}); the node has it whole")
        clean = self._cleaned(answer)
        status = self._with_our_reason(answer["status"])
        return Ending(status, answer["results"], "", self._stop_request, self._stop_answer, clean, offset_s)

    def _polled(self) -> dict[str, Any]:
        arguments = self._poll_arguments()
        if self.poll is None or self._stop_request is not None:
            return self.node("follow", arguments)
        if self._lost_since_s is None:
            # While it waits the node renews the lease, and goes on doing so when no answer can come back any more.
            self._held_until_s = self.clock() + arguments["wait_s"]
        return self.poll(arguments, self._must_end)

    def _must_end(self) -> bool:
        return self.gang.has_stop() or is_playbook_gone(self.playbook_pid)

    def _pace(self) -> None:
        early_s = self._polled_at_s + self.poll_every_s - self.clock()
        if early_s > 0:
            self.sleep(early_s)
        self._polled_at_s = self.clock()

    def _with_our_reason(self, status: dict[str, Any]) -> dict[str, Any]:
        """Return the status with the reason of our stop where the node's full disk had no room to record it."""
        recorded = str(status.get("stop_reason") or "")
        unknown = status.get("ended_by") == "stop" and (not recorded or recorded.startswith("SIGTERM"))
        return {**status, "stop_reason": self._stop_request["reason"]} if unknown and self._stop_request else status

    def _cleaned(self, answer: dict[str, Any]) -> dict[str, Any] | None:
        """Return what is left on the node: seen at the end, and seen again after a stop if there was anything."""
        seen: dict[str, Any] | None = answer.get("clean")
        if seen is None or seen["clean"]:
            return seen
        # A supervisor that was killed, or a container that outlived its madengine: nobody else will end it.
        return self.clear(self.rank.lost_after_s) or seen

    def look(self) -> dict[str, Any] | None:
        """Return what there is of the run on the host, None if it did not answer. Nothing is ended."""
        try:
            return self.node("verify", self.rank.place)
        except (HostLostError, NodeRefusedError):
            return None

    def clear(self, patience_s: float) -> dict[str, Any] | None:
        """End what is left of the rank; return what the node saw, None if it did not answer within `patience_s`.

        For every end that the node itself could not tell: nobody else is there who would end what is left.
        """
        arguments = {**self.rank.place, "reason": "leftovers", "grace_s": self.rank.grace_s}
        deadline_s, told = self.clock() + patience_s, False
        while True:
            try:
                return self.node("stop", arguments)
            except NodeRefusedError:
                return None
            except HostLostError as error:
                if self.clock() >= deadline_s:
                    return None
                if not told:
                    self._say(f"it cannot be seen whether anything is left, trying for {patience_s:.0f} s: {error}")
                    told = True
            self.sleep(RETRY_PAUSE_S)

    def _poll_arguments(self) -> dict[str, Any]:
        return {
            **self.rank.place,
            "lease_s": self.rank.lease_s,
            "offset": self.log.size_bytes,
            "wait_s": min(self._wait_s, self.rank.silence_timeout_s or self._wait_s),
            "max_bytes": MAX_POLL_BYTES,
            "want_results": True,
        }

    def _take(self, data: bytes) -> None:
        # A rank that prints is asked often, one that is silent seldom: an idle host must cost next to nothing.
        # Nor is a silence noticed while a poll waits.
        seldom = self.poll is not None and self._stop_request is None and not self.rank.silence_timeout_s
        # A poll that can be given up costs nothing by waiting: it comes back with the first line all the same.
        longest_s, growth = (LONGEST_INTERRUPTIBLE_WAIT_S, 3.0) if seldom else (LONGEST_WAIT_S, 1.5)
        self._wait_s = FIRST_WAIT_S if data else min(longest_s, self._wait_s * growth)
        self.log.append(data)
        if data:
            self._live()
        else:
            self._end_if_silent()
        self._show(self._lines.feed(data, self.clock()))

    def _live(self) -> None:
        if self.rank.silence_timeout_s:
            self.gang.show_life(self.clock())

    def _end_if_silent(self) -> None:
        """Have all ranks ended when none has printed anything for too long: a hang looks like that from outside."""
        limit_s = self.rank.silence_timeout_s
        if limit_s and self._stop_request is None and self.gang.silent_s(self.clock()) >= limit_s:
            self.gang.request_stop("silence", {"host": self.rank.host, "node_rank": self.rank.node_rank})

    def _show(self, lines: list[str]) -> None:
        if lines and self.show_lines is not None:
            self.show_lines(lines)
        elif lines:
            self.show(_relay.labeled(self.rank.host, self.rank.node_rank, lines))

    def _say(self, text: str) -> None:
        self.show(f"{self.rank.host} (rank {self.rank.node_rank}): {text}")

    def _obey_stop(self) -> None:
        if self._stop_request is not None:
            return
        request = self.gang.stop_request()
        if request is None:
            return
        reason = request["reason"]
        arguments = {**self.rank.place, "reason": reason, "grace_s": self.rank.grace_s}
        if reason == "silence":
            arguments["dump"] = True
        if reason in BY_USER:
            # For good: no later attempt may start either.
            arguments.pop("attempt", None)
        self._stop_answer = self.node("stop", arguments)
        self._stop_request = request

    def _lost(self, reason: str) -> Ending | None:
        now_s = self.clock()
        # Nobody knows whether a rank prints whose host does not answer; this has its own limit.
        self._live()
        if self._lost_since_s is None:
            self._lost_since_s = now_s
            self._given_up_at_s = max(now_s, self._held_until_s) + self.rank.lost_after_s
            self._say(f"no answer, trying again for {self._given_up_at_s - now_s:.0f} s: {reason}")
        if now_s >= self._given_up_at_s:
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
