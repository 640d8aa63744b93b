# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection answers about runs that were started before, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from madlaunch.answers import Json, mapping_at


@dataclass(frozen=True, slots=True)
class RankStatus:
    """How one rank stands; ages and times in seconds, by the clock of its node."""

    host: str
    node_rank: int
    state: str
    """starting, running, stopping or ended."""
    attempt: int = 0
    exit_code: int | None = None
    signal: int | None = None
    ended_by: str = ""
    stop_reason: str = ""
    runtime_s: float | None = None
    last_line: str = ""
    last_output_age_s: float | None = None
    log_size_bytes: int = 0

    @classmethod
    def from_mapping(cls, source: Json) -> RankStatus:
        """Read one entry of ``ranks`` of a run's status."""
        return cls(
            host=_text(source, "host"),
            node_rank=_whole(source, "node_rank") or 0,
            state=_text(source, "state"),
            attempt=_whole(source, "attempt") or 0,
            exit_code=_whole(source, "exit_code"),
            signal=_whole(source, "signal"),
            ended_by=_text(source, "ended_by"),
            stop_reason=_text(source, "stop_reason"),
            runtime_s=_seconds(source, "runtime_s"),
            last_line=_text(source, "last_line"),
            last_output_age_s=_seconds(source, "last_output_age_s"),
            log_size_bytes=_whole(source, "log_size_bytes") or 0,
        )


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How a run stands, as far as its hosts could be asked."""

    run_id: str
    model: str
    owner: str
    nnodes: int
    state: str
    """running, ended or unknown."""
    ranks: tuple[RankStatus, ...] = ()
    missing_ranks: tuple[int, ...] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """Why a host gave no answer, by name."""

    @classmethod
    def from_mapping(cls, source: Json) -> RunStatus:
        """Read the ``status`` of a chosen run."""
        return cls(
            run_id=_text(source, "run_id"),
            model=_text(source, "model"),
            owner=_text(source, "owner"),
            nnodes=_whole(source, "nnodes") or 0,
            state=_text(source, "state"),
            ranks=tuple(RankStatus.from_mapping(item) for item in _list(source, "ranks") if isinstance(item, Mapping)),
            missing_ranks=tuple(item for item in _list(source, "missing_ranks") if isinstance(item, int)),
            unreachable=_texts(source, "unreachable"),
        )


@dataclass(frozen=True, slots=True)
class RunOverview:
    """One run in a list."""

    run_id: str
    model: str
    nnodes: int
    started_at_s: float
    state: str
    hosts: tuple[str, ...] = ()
    owner: str = ""
    log_dir: str = ""

    @classmethod
    def from_mapping(cls, source: Json) -> RunOverview:
        """Read one entry of ``runs``."""
        return cls(
            run_id=_text(source, "run_id"),
            model=_text(source, "model"),
            nnodes=_whole(source, "nnodes") or 0,
            started_at_s=_seconds(source, "started_at_s") or 0.0,
            state=_text(source, "state"),
            hosts=tuple(str(item) for item in _list(source, "hosts")),
            owner=_text(source, "owner"),
        )


@dataclass(frozen=True, slots=True)
class StopFacts:
    """What all hosts together told after a stop."""

    run_id: str
    found: bool
    """Whether anything of the run was on a host."""
    clean: tuple[str, ...]
    left: Mapping[str, tuple[str, ...]]
    unverified: Mapping[str, str]

    @classmethod
    def from_mapping(cls, source: Json) -> StopFacts:
        """Read the answer of ``job_stopped``."""
        left = mapping_at(source, "left")
        return cls(
            run_id=_text(source, "run_id"),
            found=source.get("found") is True,
            clean=tuple(str(item) for item in _list(source, "clean")),
            left={host: tuple(str(item) for item in _list(left, host)) for host in left},
            unverified=_texts(source, "unverified"),
        )

    @property
    def count(self) -> int:
        """The number of hosts."""
        return len(self.clean) + len(self.left) + len(self.unverified)


def _text(source: Json, key: str) -> str:
    value = source.get(key)
    return "" if value is None else str(value)


def _whole(source: Json, key: str) -> int | None:
    value = source.get(key)
    return value if isinstance(value, int) else None


def _seconds(source: Json, key: str) -> float | None:
    value = source.get(key)
    return float(value) if isinstance(value, (int, float)) else None


def _list(source: Json, key: str) -> list[object]:
    value = source.get(key)
    return list(value) if isinstance(value, (list, tuple)) else []


def _texts(source: Json, key: str) -> dict[str, str]:
    return {str(name): str(text) for name, text in mapping_at(source, key).items()}
