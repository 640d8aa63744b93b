# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate: a rank that was made ready begins when it is followed first, and not before."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import processes

from tests.unit.plugins.module_utils.node.local_node import wait_until

if TYPE_CHECKING:
    from tests.unit.plugins.module_utils.node.local_node import Node

# Longer than the lease and the limit that the tests give.
WAITED_S = 1.2


def stand(node: Node, run_id: str) -> dict[str, Any]:
    """Return how a rank stands, without following it."""
    status = node.status(run_id)[0]
    return {name: status[name] for name in ("state", "gate", "ended_by", "stop_reason", "exit_code", "left")}


def test_start_when_gated_then_the_job_waits_for_the_first_follow(node: Node) -> None:
    """Neither the lease nor the time limit runs at the gate; a spectator does not open it, a follower does."""
    run_id = node.start("echo began; exit 3", gate=True, lease_s=1, timeout_s=1)
    time.sleep(WAITED_S)
    assert node.follow(run_id, wait_s=0, renew=False)["data"] == b""
    at_gate = {"state": "starting", "gate": "closed", "ended_by": None, "stop_reason": None, "left": None}
    assert stand(node, run_id) == {**at_gate, "exit_code": None}
    began_s = time.monotonic()
    log, status = node.follow_to_end(run_id, lease_s=10)
    assert (log, status["gate"], status["ended_by"], status["exit_code"]) == (b"began\n", "open", "itself", 3)
    # The follower wakes the supervisor; nobody waits for its next look.
    assert time.monotonic() - began_s < WAITED_S


def test_time_limit_when_gated_then_counts_from_the_first_follow(node: Node) -> None:
    """What was spent at the gate is not taken from the time of the job."""
    run_id = node.start("echo up; exec sleep 300", gate=True, timeout_s=2)
    time.sleep(WAITED_S)
    began_s = time.time()
    _log, status = node.follow_to_end(run_id)
    assert status["ended_by"] == "timeout"
    assert began_s - 0.5 <= status["started_at_s"]
    assert status["ended_at_s"] - began_s >= 2 - 0.1


def test_lease_when_gated_then_counts_from_the_first_follow(node: Node) -> None:
    """Once begun, a rank that nobody follows any more ends as any other."""
    run_id = node.start("echo up; exec sleep 300", gate=True, lease_s=1)
    node.follow(run_id, lease_s=1)
    wait_until(lambda: stand(node, run_id)["state"] == "ended")
    assert (stand(node, run_id)["ended_by"], stand(node, run_id)["gate"]) == ("lease", "open")


def test_stop_at_the_gate_then_nothing_ever_ran(node: Node) -> None:
    """The rank ends at once, unstarted; a follow that comes too late does not begin it."""
    run_id = node.start("echo began", gate=True, lease_s=1)
    began_s = time.monotonic()
    answer = node.stop(run_id, reason="gang")
    assert (answer["clean"], answer["status"]["state"]) == (True, "ended")
    assert time.monotonic() - began_s < WAITED_S
    log, _status = node.follow_to_end(run_id)
    unstarted = {"state": "ended", "gate": "closed", "ended_by": "stop", "stop_reason": "gang", "exit_code": None}
    assert (log, stand(node, run_id)) == (b"", {**unstarted, "left": 0})


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_at_the_gate_then_nothing_ever_ran(node: Node, signum: int) -> None:
    """A shutdown of the node ends a rank that waits, too."""
    run_id = node.start("echo began", gate=True)
    processes.send(node.supervisor(run_id), signum)
    wait_until(lambda: stand(node, run_id)["state"] == "ended")
    assert (stand(node, run_id)["gate"], stand(node, run_id)["ended_by"]) == ("closed", "stop")


def test_gate_when_nobody_follows_then_ends_unstarted(node: Node) -> None:
    """The wait is bounded, and the record says that the job was never begun."""
    run_id = node.start("echo began", gate=True, gate_wait_s=0.5)
    wait_until(lambda: stand(node, run_id)["state"] == "ended")
    reason = "nobody followed within 0.5 s, so it was never begun"
    unstarted = {"state": "ended", "gate": "closed", "ended_by": "lease", "stop_reason": reason, "exit_code": None}
    assert stand(node, run_id) == {**unstarted, "left": 0}
    assert (node.rank_dir(run_id) / "log").read_bytes() == b""


def test_gate_when_the_control_node_says_hold_then_waits_on(node: Node) -> None:
    """As long as it is heard of the rank waits, without beginning; then it is let begin. Held again, it goes on."""
    run_id = node.start("echo began; exec sleep 300", gate=True, gate_wait_s=1.0)
    for _ in range(4):
        time.sleep(0.4)
        node.follow(run_id, wait_s=0, renew=False, hold=True)
    assert stand(node, run_id)["state"] == "starting"
    node.follow(run_id)
    node.follow(run_id, wait_s=0, renew=False, hold=True)
    node.wait_for(run_id, b"began")
    assert stand(node, run_id)["state"] == "running"


@pytest.mark.parametrize("waker", ["follow", "status", "stop"])
def test_supervisor_that_was_stopped_when_asked_for_then_goes_on(node: Node, waker: str) -> None:
    """A stopped supervisor (SIGSTOP) watches nothing; whoever asks for the rank has it go on."""
    run_id = node.start("echo up; exec sleep 300")
    node.wait_for(run_id, b"up")
    supervisor = node.supervisor(run_id)
    processes.send(supervisor, signal.SIGSTOP)
    wait_until(lambda: _state(supervisor) == "T")
    getattr(node, waker)(run_id)
    wait_until(lambda: _state(supervisor) != "T")
    assert node.stop(run_id)["status"]["ended_by"] == "stop"


def _state(process: processes.Process) -> str:
    found = processes.look(process.pid)
    return found.state if found == process and found is not None else "gone"
