# SPDX-License-Identifier: GPL-3.0-or-later
"""Events about runs that were started before, and how the collection's answers become them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from madlaunch.answers import Json, Plan, mapping_at
from madlaunch.answers_known import RunOverview, RunStatus, StopFacts


@dataclass(frozen=True, slots=True)
class RunChosen:
    """The hosts told which run is meant and how it stands."""

    purpose: str
    """The verb."""
    plan: Plan
    status: RunStatus


@dataclass(frozen=True, slots=True)
class RunsListed:
    """The runs that the hosts know, the newest first."""

    runs: tuple[RunOverview, ...]
    unreachable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RankRuns:
    """A rank whose files were brought home has not ended."""

    host: str
    node_rank: int


@dataclass(frozen=True, slots=True)
class HostStopped:
    """A host has ended its part of a run, and has looked again."""

    host: str
    found: bool
    clean: bool
    processes_stopped: int


@dataclass(frozen=True, slots=True)
class RunStopped:
    """Every host was asked to end the run."""

    facts: StopFacts


def read_chosen(answer: Json, plan: Plan) -> RunChosen:
    """Read the answer of ``job_select``, whose plan was read already."""
    return RunChosen(str(answer.get("purpose")), plan, RunStatus.from_mapping(mapping_at(answer, "status")))


def _listed(answer: Json) -> RunsListed:
    found = answer.get("runs")
    items = found if isinstance(found, list) else []
    runs = (RunOverview.from_mapping(item) for item in items if isinstance(item, Mapping))
    return RunsListed(tuple(runs), {str(host): str(why) for host, why in mapping_at(answer, "unreachable").items()})


def _host_stopped(answer: Json) -> HostStopped:
    stopped = answer.get("processes_stopped")
    return HostStopped(
        host=str(answer.get("host") or ""),
        found=answer.get("found") is True,
        clean=answer.get("clean") is True,
        processes_stopped=stopped if isinstance(stopped, int) else 0,
    )


def _rank_runs(answer: Json) -> RankRuns:
    node_rank = answer.get("node_rank")
    return RankRuns(str(answer.get("host") or ""), node_rank if isinstance(node_rank, int) else -1)


KNOWN_READERS: Mapping[str, Callable[[Json], RunsListed | RankRuns | HostStopped | RunStopped]] = {
    "runs": _listed,
    "running": _rank_runs,
    "stop": _host_stopped,
    "stopped": lambda answer: RunStopped(StopFacts.from_mapping(answer)),
}
