# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher is interrupted or killed at any moment: it cleans up, or the leases do."""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import members, namespace
from tests.faults.doors import LAUNCHER_DOOR
from tests.faults.going import check_clean, left_of_runs
from tests.faults.models import TICKS, enough
from tests.integration.models import add_model
from tests.integration.running import seconds_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.cluster import Cluster
    from tests.faults.conftest import MakeNodes
    from tests.faults.going import Going

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

LEASE_S = 10
GRACE_S = 1
# What SIGINT, SIGTERM and SIGKILL, each after its grace, and the look afterwards take.
LADDER_S = 2 * GRACE_S + 8
# More at once would make each moment so long that its ends fall into few of its parts.
AT_ONCE = 3


def _ctrl_c(going: Going) -> None:
    going.started.interrupt()


def _ctrl_c_twice(going: Going) -> None:
    going.started.interrupt()
    # A second one that comes sooner is taken for the same press.
    time.sleep(1.2)
    if going.started.process.poll() is None:
        going.started.interrupt()


def _sigterm(going: Going) -> None:
    going.started.process.send_signal(signal.SIGTERM)


def _kill(going: Going) -> None:
    going.started.process.kill()


ENDS: dict[str, Callable[[Going], None]] = {
    "kill-9": _kill,
    "ctrl-c-twice": _ctrl_c_twice,
    "ctrl-c": _ctrl_c,
    "sigterm": _sigterm,
}


def _in_preflight(going: Going) -> None:
    going.started.wait_for_event("plan")


def _in_start(going: Going) -> None:
    going.started.wait_for_event("preflight")


def _in_run(going: Going) -> None:
    going.wait_for(1, "tick 1 on node 1")


def _in_collect(going: Going) -> None:
    going.wait_up()
    enough(going.cluster)
    going.wait_for(1, "performance: 1 runs")


# How a part of the launch is known to have begun, and how long it may last (seconds).
MOMENTS: dict[str, tuple[Callable[[Going], None], float]] = {
    "preflight": (_in_preflight, 1.5),
    "start": (_in_start, 1.0),
    "run": (_in_run, 2.0),
    "collect": (_in_collect, 1.5),
}
# Every way to end meets every moment, and one of them twice.
REPEATS = [(moment, how) for number, moment in enumerate(MOMENTS) for how in (*ENDS, list(ENDS)[number])]


@pytest.mark.fault("launcher-ended")
@pytest.mark.parametrize("moment", MOMENTS)
def test_launcher_that_is_ended_at_any_moment_then_leaves_nothing(
    make_nodes: MakeNodes, tmp_path: Path, moment: str
) -> None:
    """Twenty repeats, five for each moment, some at the same time and each on nodes of its own; all are repeatable."""
    seeds = [seed for seed, repeat in enumerate(REPEATS) if repeat[0] == moment]
    clusters = [make_nodes(2) for _seed in seeds]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = [pool.submit(_repeat, seed, cluster, tmp_path) for seed, cluster in zip(seeds, clusters, strict=True)]
    for seed, part in zip(seeds, parts, strict=True):
        error = part.exception()
        if error is not None:
            error.add_note(f"repeat {seed}: {REPEATS[seed][1]} in {moment}")
            raise error


def _repeat(seed: int, cluster: Cluster, state: Path) -> None:
    moment, how = REPEATS[seed]
    begun, lasts_s = MOMENTS[moment]
    add_model(cluster, "ticks", TICKS)
    (state / str(seed)).mkdir()
    given = {"model": "ticks", "lease_s": LEASE_S, "grace_s": GRACE_S}
    with LAUNCHER_DOOR.launch(cluster, state / str(seed), **given) as going:
        begun(going)
        time.sleep(random.Random(seed).uniform(0, lasts_s))  # noqa: S311 - repeatable on purpose
        ENDS[how](going)
        going.started.end(90)
    (_check_told if how in {"ctrl-c", "sigterm"} else _check_left_alone)(going, may_be_over=moment == "collect")


def _check_told(going: Going, *, may_be_over: bool) -> None:
    """Fail unless the launcher has ended what it had started, and said so."""
    ended = going.end()
    if may_be_over and ended.outcome["exit_code"] == 0:
        # A signal that comes when the outcome was told already can only hurry the launcher out.
        assert ended.code in {0, 130, -signal.SIGTERM}
        replace(ended, code=0).check(0, ["ok", "ok"])
    elif ended.outcome["reason"] == "interrupted before anything was started":
        # The hosts need no look then.
        assert (ended.code, ended.outcome["state"], ended.culprit) == (130, "interrupted", None)
        check_clean(going.cluster)
    else:
        # One that had ended by itself by then, or was not started yet, was not stopped.
        assert set(ended.states) <= {"stopped", "not_started", "ok"}
        ended.check(130, ended.states)


def _check_left_alone(going: Going, *, may_be_over: bool) -> None:
    """Fail unless the leases, or an end that had begun before, end everything."""
    codes = {130, -signal.SIGKILL, 0} if may_be_over else {130, -signal.SIGKILL}
    assert going.started.process.returncode in codes
    # A start may still be on its way to a node; only when nobody is left to make one do the leases decide alone.
    seconds_until(lambda: not _ssh_clients(going.cluster), 20)
    time.sleep(1)
    seconds_until(lambda: left_of_runs(going.cluster) == {}, LEASE_S + LADDER_S, 0.4)
    going.check_lines_so_far()


def _ssh_clients(cluster: Cluster) -> list[int]:
    """Return the processes of the control side that run a command on a node."""
    pids = members("net", namespace(cluster.control_pid, "net"))
    commands = {pid: Path(f"/proc/{pid}/cmdline") for pid in pids}
    return [pid for pid, path in commands.items() if path.exists() and path.read_bytes().startswith(b"ssh\0")]
