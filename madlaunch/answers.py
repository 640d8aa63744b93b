# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection answers, as frozen values.

The collection speaks JSON (the key ``madlaunch`` of a task result). The mappings end here: each class has
a ``from_mapping`` that reads what it knows, ignores what it does not know, and refuses a wrong shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from madlaunch.errors import LauncherError

Json = Mapping[str, object]
_Wanted = TypeVar("_Wanted")


class AnswerError(LauncherError):
    """The collection answered in a shape this launcher does not know."""


def _value(source: Json, key: str, kind: type[_Wanted], default: _Wanted) -> _Wanted:
    """Return ``source[key]``, or ``default`` when it is absent or null.

    Raises:
        AnswerError: The value has another type.
    """
    value = source.get(key)
    if value is None:
        return default
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind):
        problem = f"the collection answered {key}={value!r}, which is not a {kind.__name__}"
        raise AnswerError(problem, next_step="use the launcher and the collection of one and the same version")
    return value


def _text(source: Json, key: str) -> str:
    return _value(source, key, str, "")


def _shown(source: Json, key: str) -> str:
    """Return the text of a value of any type; '' when absent."""
    value = source.get(key)
    return "" if value is None else str(value)


def _whole(source: Json, key: str) -> int | None:
    return None if source.get(key) is None else _value(source, key, int, 0)


def _seconds(source: Json, key: str) -> float | None:
    return None if source.get(key) is None else _value(source, key, float, 0.0)


def _texts(source: Json, key: str) -> tuple[str, ...]:
    return tuple(str(item) for item in _items(source, key))


def _mappings(source: Json, key: str) -> tuple[Json, ...]:
    return tuple(item for item in _items(source, key) if isinstance(item, Mapping))


def _items(source: Json, key: str) -> list[object]:
    """Return the list at ``key``; a tuple, as a record holds them in memory, is taken as well."""
    value = source.get(key)
    return list(value) if isinstance(value, tuple) else _value(source, key, list, [])


def mapping_at(source: Json, key: str) -> Json:
    """Return the mapping at ``key``; an empty one when absent.

    Raises:
        AnswerError: The value is not a mapping.
    """
    return _value(source, key, dict, {})


@dataclass(frozen=True, slots=True)
class PlannedHost:
    """One host of the plan."""

    name: str
    node_rank: int
    address: str

    @classmethod
    def from_mapping(cls, name: str, source: Json) -> PlannedHost:
        """Read one entry of ``plan.hosts``."""
        return cls(
            name=name,
            node_rank=_value(source, "node_rank", int, 0),
            address=_text(source, "address"),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Who takes which rank; hosts are in rank order."""

    run_id: str
    model: str
    master_addr: str
    master_port: int
    timeout_s: int
    grace_s: int
    log_dir: str
    hosts: tuple[PlannedHost, ...]
    document: Json = field(repr=False, compare=False, default_factory=dict)
    """The whole plan as the collection made it, for the record."""

    @classmethod
    def from_mapping(cls, source: Json) -> Plan:
        """Read the ``plan`` of the collection."""
        hosts = mapping_at(source, "hosts")
        planned = [PlannedHost.from_mapping(name, mapping_at(hosts, name)) for name in hosts]
        return cls(
            run_id=_text(source, "run_id"),
            model=_text(source, "model"),
            master_addr=_text(source, "master_addr"),
            master_port=_value(source, "master_port", int, 0),
            timeout_s=_value(source, "timeout_s", int, 0),
            grace_s=_value(source, "grace_s", int, 0),
            log_dir=_text(source, "log_dir"),
            hosts=tuple(sorted(planned, key=lambda host: host.node_rank)),
            document=dict(source),
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the preflight found; ``host`` is '' when it is about all of them."""

    check: str
    severity: str
    host: str
    seen: str
    expected: str
    fix: str
    message: str

    @classmethod
    def from_mapping(cls, source: Json) -> Finding:
        """Read one finding; ``severity`` is error, warning or note."""
        names = ("check", "host", "seen", "expected", "fix", "message")
        return cls(severity=_shown(source, "severity") or "error", **{name: _shown(source, name) for name in names})


@dataclass(frozen=True, slots=True)
class PreparedHost:
    """What only the host could tell, after the preflight."""

    host: str
    node_rank: int
    madengine_version: str
    nproc_per_node: int | None

    @classmethod
    def from_mapping(cls, host: str, source: Json) -> PreparedHost:
        """Read one entry of ``hosts`` of the preflight report."""
        return cls(
            host=host,
            node_rank=_value(source, "node_rank", int, 0),
            madengine_version=_shown(source, "madengine_version"),
            nproc_per_node=_whole(source, "nproc_per_node"),
        )


@dataclass(frozen=True, slots=True)
class Performance:
    """One performance value that madengine reported."""

    model: str
    performance: str
    metric: str

    @classmethod
    def from_mapping(cls, source: Json) -> Performance:
        """Read one entry of ``performance`` of a rank's outcome."""
        return cls(_shown(source, "model"), _shown(source, "performance"), _shown(source, "metric"))


@dataclass(frozen=True, slots=True)
class RankOutcome:
    """How one rank ended; times are in seconds since the epoch on that node's clock."""

    host: str
    node_rank: int
    state: str
    """ok, failed, stopped, timeout, lost or not_started."""
    exit_code: int | None = None
    signal: int | None = None
    started_at_s: float | None = None
    ended_at_s: float | None = None
    reason: str = ""
    """What the verdict rests on."""
    performance: tuple[Performance, ...] = ()
    first_lines: tuple[str, ...] = ()
    last_lines: tuple[str, ...] = ()
    log_path: str = ""
    clean: bool | None = None
    """Whether the host was seen without anything of the run after the end; None when nobody could look."""
    left: tuple[str, ...] = ()
    """What was seen there, if it was not clean."""

    @classmethod
    def from_mapping(cls, source: Json) -> RankOutcome:
        """Read the outcome of a rank."""
        return cls(
            host=_text(source, "host"),
            node_rank=_value(source, "node_rank", int, 0),
            state=_text(source, "state"),
            exit_code=_whole(source, "exit_code"),
            signal=_whole(source, "signal"),
            started_at_s=_seconds(source, "started_at_s"),
            ended_at_s=_seconds(source, "ended_at_s"),
            reason=_shown(source, "reason"),
            performance=tuple(Performance.from_mapping(item) for item in _mappings(source, "performance")),
            first_lines=_texts(source, "first_lines"),
            last_lines=_texts(source, "last_lines"),
            log_path=_shown(source, "log_path"),
            clean=None if source.get("clean") is None else _value(source, "clean", bool, False),  # noqa: FBT003
            left=_texts(source, "left"),
        )

    @property
    def runtime_s(self) -> float | None:
        """Seconds between start and end; None when one of them is unknown."""
        if self.started_at_s is None or self.ended_at_s is None:
            return None
        return max(0.0, self.ended_at_s - self.started_at_s)


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """The rank whose bad end was the first, and why."""

    host: str
    node_rank: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How the run ended."""

    state: str
    """ok, failed, timeout, silence, interrupted, preflight, refused (not planned), or broken (the playbook died)."""
    exit_code: int
    first_failure: FirstFailure | None = None
    ranks: tuple[RankOutcome, ...] = ()
    perf_csv: str = ""
    summary_json: str = ""
    reason: str = ""
    attempt: int = 0
    """How often the whole gang had been started before."""
    attempts: tuple[RunOutcome, ...] = ()
    """The outcomes of the earlier attempts."""

    @property
    def unclean(self) -> tuple[RankOutcome, ...]:
        """The ranks whose hosts were not seen to be clean: something is left, or nobody could look."""
        return tuple(rank for rank in self.ranks if not rank.clean)

    @classmethod
    def from_mapping(cls, source: Json) -> RunOutcome:
        """Read the outcome of the run."""
        results, first = mapping_at(source, "results"), mapping_at(source, "first_failure")
        return cls(
            state=_text(source, "state"),
            exit_code=_value(source, "exit_code", int, 1),
            first_failure=_first_failure(first) if first else None,
            ranks=tuple(RankOutcome.from_mapping(item) for item in _mappings(source, "ranks")),
            perf_csv=_shown(results, "perf_csv"),
            summary_json=_shown(results, "summary_json"),
            reason=_shown(source, "reason"),
            attempt=_value(source, "attempt", int, 0),
            # A record keeps the paths of an attempt flat, as it does those of the run.
            attempts=tuple(cls.from_mapping({"results": item, **item}) for item in _mappings(source, "attempts")),
        )


def _first_failure(source: Json) -> FirstFailure:
    return FirstFailure(_text(source, "host"), _value(source, "node_rank", int, 0), _shown(source, "reason"))
