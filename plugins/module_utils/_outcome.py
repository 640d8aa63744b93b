# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rank ended and how a run ended, as values.

Private to the collection. Pure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

OK, FAILED, STOPPED, TIMEOUT, LOST, NOT_STARTED = "ok", "failed", "stopped", "timeout", "lost", "not_started"
INTERRUPTED, SILENCE = "interrupted", "silence"
# Reasons of a stop that came from outside the rank: another rank, another host, or a user.
CONSEQUENCES = ("gang", "lost")
BY_USER = ("interrupt", "user")
STOPPED_BY_OTHERS = (*CONSEQUENCES, *BY_USER)


@dataclass(frozen=True)
class Rank:
    """What names a rank and what its command asked for. `major` is madengine's, `runner` the launch's."""

    host: str
    node_rank: int
    nnodes: int
    major: int
    runner: str
    log_path: str = ""


@dataclass(frozen=True)
class Performance:
    """One value that madengine wrote down: `performance` as text, `metric` its unit."""

    model: str
    performance: str
    metric: str


@dataclass(frozen=True)
class RankOutcome:
    """How one rank ended; `reason` says what that rests on. Times are of the host's own clock, in seconds.

    For a rank that was lost `ended_at_s` is of the control node's clock. `skipped` is True when madengine was told not
    to run the model. `stop_reason` is why it was stopped from outside (gang, interrupt, user, ...). `clean` is whether
    the host was seen without anything of the run after the end, None when nobody could look; `left` names what is left.
    """

    host: str
    node_rank: int
    state: str
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    started_at_s: float | None = None
    ended_at_s: float | None = None
    performance: tuple[Performance, ...] = ()
    first_lines: tuple[str, ...] = ()
    last_lines: tuple[str, ...] = ()
    log_path: str = ""
    stop_reason: str | None = None
    skipped: bool = False
    clean: bool | None = None
    left: tuple[str, ...] = ()
    clock_offset_s: float | None = None

    @property
    def is_cause(self) -> bool:
        """Whether this end is a reason to stop the other ranks: a bad end that is not itself the result of a stop."""
        followed = self.state in (STOPPED, NOT_STARTED) and self.stop_reason in STOPPED_BY_OTHERS
        return self.state != OK and not followed

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        return {**asdict(self), **lists, "performance": [asdict(value) for value in self.performance]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RankOutcome:
        """Take back what `as_dict` gave."""
        performance = tuple(Performance(**item) for item in value["performance"])
        lists = {name: tuple(value[name]) for name in _LISTS}
        return cls(**{**value, **lists, "performance": performance})


_LISTS = ("first_lines", "last_lines", "left")


def with_cleanliness(outcome: RankOutcome, seen: Mapping[str, Any] | None) -> RankOutcome:
    """Return the outcome with what a node saw when it looked for what is left (None: nobody could look)."""
    if seen is None:
        return outcome
    processes = [f"process {one['pid']}: {one['command']}" for one in seen["processes_left"]]
    containers = [f"container {name}" for name in seen["containers_left"]]
    return replace(outcome, clean=bool(seen["clean"]), left=(*processes, *containers))


@dataclass(frozen=True)
class FirstFailure:
    """The rank whose failure came first, with its reason."""

    host: str
    node_rank: int
    reason: str


@dataclass(frozen=True)
class RunOutcome:
    """How the run ended: `exit_code` is the launcher's (0 ok, 1 a rank failed, 4 a limit, 130 interrupted).

    `attempt` counts the starts of the whole gang from 0; `attempts` are the outcomes of the earlier ones, as JSON.
    """

    state: str
    exit_code: int
    reason: str
    first_failure: FirstFailure | None
    ranks: tuple[RankOutcome, ...]
    results: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 0
    attempts: tuple[dict[str, Any], ...] = ()

    @property
    def unclean(self) -> tuple[RankOutcome, ...]:
        """The ranks whose hosts were not seen clean: something is left, or nobody could look."""
        return tuple(rank for rank in self.ranks if not rank.clean)

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
        return {
            "state": self.state,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "first_failure": asdict(self.first_failure) if self.first_failure else None,
            "ranks": [rank.as_dict() for rank in self.ranks],
            "results": dict(self.results),
            "clean": {"hosts": len(self.ranks), "verified": len(self.ranks) - len(self.unclean)},
            "attempt": self.attempt,
            "attempts": list(self.attempts),
        }
