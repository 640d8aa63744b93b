# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run is meant, and how it stands, from what the hosts told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _runs
from ansible_collections.madlaunch.multinode.plugins.module_utils._runs import Seen


def status(run_id: str, node_rank: int, state: str = "running", **changes: object) -> dict[str, Any]:
    """Return what a host tells of one rank of a run of two."""
    return {
        "run_id": run_id,
        "node_rank": node_rank,
        "nnodes": 2,
        "model": "tiny",
        "owner": "ann",
        "state": state,
        "attempt": 0,
        "exit_code": None,
        "signal": None,
        "ended_by": None,
        "stop_reason": None,
        "started_at_s": 100.0,
        "ended_at_s": None,
        "runtime_s": 7.4,
        "last_line": "tick",
        "last_output_age_s": 1.6,
        "log_size_bytes": 5,
        "left": None,
        "timeout_s": 3600,
        "grace_s": 3,
        "lease_s": 60,
        **changes,
    }


OLD, NEW = "mad-1", "mad-2"
SEEN = [
    Seen("a", (status(OLD, 0, "ended"), status(NEW, 0, started_at_s=200.0))),
    Seen("b", (status(NEW, 1, "ended", started_at_s=201.0), status(OLD, 1, "ended"))),
]


def test_overview_when_runs_lie_on_several_hosts_then_is_newest_first() -> None:
    """A run that still has a rank running is running."""
    assert [run.as_dict() for run in _runs.overview(SEEN)] == [
        {
            "run_id": NEW,
            "model": "tiny",
            "owner": "ann",
            "nnodes": 2,
            "started_at_s": 200.0,
            "state": "running",
            "hosts": ["a", "b"],
        },
        {
            "run_id": OLD,
            "model": "tiny",
            "owner": "ann",
            "nnodes": 2,
            "started_at_s": 100.0,
            "state": "ended",
            "hosts": ["a", "b"],
        },
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"), [("", NEW), ("mad-1", OLD), ("mad-2", NEW)], ids=["newest", "whole", "another"]
)
def test_choose_when_one_run_is_meant_then_returns_its_id(wanted: str, expected: str) -> None:
    """Nothing means the newest."""
    assert _runs.choose(wanted, SEEN) == expected


def test_choose_when_an_id_is_the_beginning_of_another_then_is_that_run() -> None:
    """A whole id is never ambiguous."""
    assert _runs.choose("mad", [Seen("a", (status("mad", 0), status("mad-1", 0)))]) == "mad"


@pytest.mark.parametrize(
    ("wanted", "seen", "message", "hint"),
    [
        pytest.param(
            *("ma", SEEN, "'ma' is the beginning of 2 runs: mad-2, mad-1."),
            "Give more characters of the run id.",
            id="two",
        ),
        pytest.param(
            *("x", SEEN, "no run begins with 'x'; the hosts know mad-2, mad-1."),
            "Give one of these ids, or the beginning of just one.",
            id="none",
        ),
        pytest.param(
            *(
                "",
                [Seen("a"), Seen("b", unreachable="timed out")],
                "no host knows a run of this login (not reached: b).",
            ),
            "Name the hosts and the login of the run, and node_state_dir if it was given.",
            id="no runs",
        ),
        pytest.param(
            *("", [Seen("b", unreachable="timed out")], "none of the 1 hosts could be reached: b."),
            "Correct the login or the inventory.",
            id="nobody",
        ),
    ],
)
def test_choose_when_not_one_run_is_meant_then_says_why(wanted: str, seen: list[Seen], message: str, hint: str) -> None:
    """Each with the next step."""
    with pytest.raises(_runs.ChoiceError) as caught:
        _runs.choose(wanted, seen)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_plan_of_when_hosts_have_other_names_here_then_uses_the_names_of_this_play() -> None:
    """Rank 0 keeps all hosts; a host that does not answer keeps the name that the run gave it."""
    hosts = {"n0": {"node_rank": 0, "address": "192.0.2.1"}, "n1": {"node_rank": 1, "address": "192.0.2.2"}}
    kept = {"run_id": NEW, "nnodes": 2, "runner": "torchrun", "hosts": hosts, "resolved": {"madengine_major": 2}}
    plan = _runs.plan_of(NEW, [Seen("worker0", (status(NEW, 0, plan=kept),)), Seen("n1", unreachable="gone")])
    assert plan["hosts"] == {
        "worker0": {"node_rank": 0, "address": "192.0.2.1", "resolved": {"madengine_major": 2}},
        "n1": {"node_rank": 1, "address": "192.0.2.2"},
    }
    assert "resolved" not in plan


def test_plan_of_when_no_host_kept_one_then_is_what_the_status_tells() -> None:
    """Enough to follow the run and to stop it."""
    assert _runs.plan_of(NEW, SEEN) == {
        "on_failure": "stop",
        "runner": "torchrun",
        "container_env": {},
        "secret_names": [],
        "run_id": NEW,
        "model": "tiny",
        "nnodes": 2,
        "timeout_s": 3600,
        "grace_s": 3,
        "lease_s": 60,
        "hosts": {
            "a": {"node_rank": 0, "address": "", "resolved": {}},
            "b": {"node_rank": 1, "address": "", "resolved": {}},
        },
    }


def test_status_of_when_a_host_is_silent_then_its_rank_is_missing() -> None:
    """What is not known is named: the rank and the host."""
    seen = [SEEN[0], Seen("b", unreachable="timed out")]
    found = _runs.status_of(NEW, seen)
    assert (found["state"], found["missing_ranks"], found["unreachable"]) == ("running", [1], {"b": "timed out"})
    assert _runs.incomplete(found, _runs.plan_of(NEW, seen)) == "1 of 2 ranks of run mad-2 were not found: 1"
    assert _runs.described(found) == [
        "Run mad-2 (tiny): running",
        "  rank 0 on a: running, 7 s, last output 2 s ago: tick",
        "  rank 1: no host told of it",
        "  b could not be reached: timed out",
    ]


def test_status_of_when_a_host_is_in_the_play_twice_then_its_rank_counts_once() -> None:
    """Under the first of its names."""
    found = _runs.status_of(NEW, [SEEN[0], Seen("same", SEEN[0].runs), SEEN[1]])
    assert [(rank["host"], rank["node_rank"]) for rank in found["ranks"]] == [("a", 0), ("b", 1)]
    assert _runs.incomplete(found, {"hosts": {}}) == ""


def test_described_when_ranks_have_ended_then_says_how() -> None:
    """Exit code or signal, and who ended it if not itself."""
    ranks = (
        status(NEW, 0, "ended", exit_code=1, ended_by="stop", stop_reason="user", last_output_age_s=None),
        status(NEW, 1, "ended", signal=9, ended_by="itself", last_output_age_s=None, runtime_s=None),
    )
    assert _runs.described(_runs.status_of(NEW, [Seen("a", ranks)]))[1:] == [
        "  rank 0 on a: ended, exit code 1, ended by user, 7 s",
        "  rank 1 on a: ended, signal 9",
    ]


@pytest.mark.parametrize(
    ("prefix", "expected"), [("mad-", NEW), ("mad-1", OLD), ("mad-w9-", "mad-w9-")], ids=["running", "one", "none"]
)
def test_latest_when_runs_begin_alike_then_is_the_one_that_goes_on(prefix: str, expected: str) -> None:
    """Without any it is the prefix itself, which no run has: a stop of it finds nothing to do."""
    assert _runs.latest(prefix, SEEN) == expected


def test_latest_when_the_newer_has_ended_then_is_the_one_that_goes_on() -> None:
    """Two launches of one workflow: what is to be stopped is the one that runs."""
    seen = [Seen("a", (status("mad-w1-2", 0), status("mad-w1-3", 0, "ended", started_at_s=200.0)))]
    assert _runs.latest("mad-w1-", seen) == "mad-w1-2"
