# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rank ended and how a run ended, as values.

Private to the collection. Pure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

OK, FAILED, STOPPED, TIMEOUT, LOST, NOT_STARTED = "ok", "failed", "stopped", "timeout", "lost", "not_started"
INTERRUPTED = "interrupted"
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
    to run the model. `stop_reason` is why it was stopped from outside (gang, interrupt, user, ...).
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

    @property
    def is_cause(self) -> bool:
        """Whether this end is a reason to stop the other ranks: a bad end that is not itself the result of a stop."""
        return self.state != OK and not (self.state == STOPPED and self.stop_reason in STOPPED_BY_OTHERS)

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
        lists = {name: list(getattr(self, name)) for name in ("first_lines", "last_lines")}
        return {**asdict(self), **lists, "performance": [asdict(value) for value in self.performance]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RankOutcome:
        """Take back what `as_dict` gave."""
        performance = tuple(Performance(**item) for item in value["performance"])
        lists = {name: tuple(value[name]) for name in ("first_lines", "last_lines")}
        return cls(**{**value, **lists, "performance": performance})


@dataclass(frozen=True)
class FirstFailure:
    """The rank whose failure came first, with its reason."""

    host: str
    node_rank: int
    reason: str


@dataclass(frozen=True)
class RunOutcome:
    """How the run ended: `exit_code` is the launcher's (0 ok, 1 a rank failed, 4 time limit, 130 interrupted)."""

    state: str
    exit_code: int
    reason: str
    first_failure: FirstFailure | None
    ranks: tuple[RankOutcome, ...]
    results: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
        return {
            "state": self.state,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "first_failure": asdict(self.first_failure) if self.first_failure else None,
            "ranks": [rank.as_dict() for rank in self.ranks],
            "results": dict(self.results),
        }
