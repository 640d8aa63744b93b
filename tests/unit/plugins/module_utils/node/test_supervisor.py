# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor, with real jobs: what they get, how they end, and what ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files, lease, processes

from tests.unit.plugins.module_utils.node.local_node import Node, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

# A job that only SIGKILL ends: children in other sessions, orphans, closed descriptors, an empty environment.
STUBBORN = """
trap '' INT TERM HUP
setsid sleep 301 &
(setsid sleep 302 >/dev/null 2>&1 </dev/null &)
(exec env -i setsid sleep 303 >&- 2>&- <&- &)
echo up
sleep 304
sleep 305
"""


def test_job_that_ends_is_recorded_with_its_exit_code(node: Node) -> None:
    """State, exit code and the party that ended it; nothing is left and the supervisor goes away."""
    run_id = node.start("echo out; echo err >&2; exit 7")
    log, status = node.follow_to_end(run_id)
    assert log == b"out\nerr\n"
    ending = {key: status[key] for key in ("state", "exit_code", "signal", "ended_by", "stop_reason", "left")}
    assert ending == {
        "state": "ended",
        "exit_code": 7,
        "signal": None,
        "ended_by": "itself",
        "stop_reason": None,
        "left": 0,
    }
    assert status["started_at_s"] <= status["ended_at_s"] <= time.time()
    wait_until(lambda: not processes.is_running(status["supervisor"]))
    assert (node.rank_dir(run_id) / "supervisor.log").read_text() == ""


def test_job_that_is_killed_is_recorded_with_its_signal(node: Node) -> None:
    """A signal is no exit code."""
    status = node.follow_to_end(node.start("kill -SEGV $$"))[1]
    assert (status["exit_code"], status["signal"], status["ended_by"]) == (None, signal.SIGSEGV, "itself")


def test_end_of_the_job_is_recorded_at_once(node: Node) -> None:
    """Between the last act of the job and the record lies less than a tenth of a second."""
    run_id = node.start("exec python3 -S -c 'import time; time.sleep(.3); print(time.time())'")
    log, status = node.follow_to_end(run_id)
    assert 0 <= status["ended_at_s"] - float(log) < 0.1


def test_job_gets_a_clean_process(node: Node) -> None:
    """Own session, no input, default signals, nothing blocked, the umask of the login, and who it is."""
    script = "umask; cat; ps -o sid= -p $$; echo $$ $MADLAUNCH_RUN_ID $MADLAUNCH_NODE_RANK; pwd; cat /proc/self/status"
    before = os.umask(0o027)
    try:
        run_id = node.start(script, node_rank=3)
    finally:
        os.umask(before)
    lines = node.follow_to_end(run_id, node_rank=3)[0].decode().splitlines()
    pid = lines[1].strip()
    assert lines[:4] == ["0027", lines[1], f"{pid} {run_id} 3", str(node.rank_dir(run_id, 3) / "work")]
    masks = {line.split()[0]: line.split()[1] for line in lines[4:] if line.startswith(("SigBlk", "SigIgn"))}
    assert masks == {"SigBlk:": "0" * 16, "SigIgn:": "0" * 16}


def test_signals_that_the_login_ignores_do_no_harm(node: Node) -> None:
    """A background start leaves SIGINT ignored, and madengine could not clean up; SIGCHLD hides exit codes."""
    numbers = [signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD]
    ignore = "".join(f"signal.signal({number:d}, signal.SIG_IGN);" for number in numbers)
    python = node.home / "python-with-ignored-signals"
    python.write_text(
        f'#!/bin/sh\nexec python3 -c \'import os, signal, sys; {ignore} os.execvp("python3", sys.argv)\' "$@"\n'
    )
    python.chmod(0o755)
    node.interpreter = str(python)
    log, status = node.follow_to_end(node.start("grep SigIgn /proc/self/status; exit 5"))
    assert (log.split(), status["exit_code"]) == ([b"SigIgn:", b"0" * 16], 5)


def test_time_limit_ends_the_job_with_sigint_first(node: Node) -> None:
    """The limit is kept on the node, and the job may clean up on SIGINT."""
    script = "trap 'echo cleaned; exit 130' INT\necho up\nwhile :; do sleep 0.05; done"
    began_s = time.monotonic()
    log, status = node.follow_to_end(node.start(script, timeout_s=0.5, grace_s=5))
    assert log == b"up\ncleaned\n"
    assert (status["ended_by"], status["exit_code"], status["left"]) == ("timeout", 130, 0)
    assert status["stop_reason"] == "the time limit of 0.5 s was reached"
    assert 0.5 <= time.monotonic() - began_s < 3


def test_lease_that_nobody_renews_ends_the_job(node: Node) -> None:
    """Without a follower the job ends by itself, also when the control node is gone for good."""
    run_id = node.start("sleep 300", lease_s=0.5)
    wait_until(lambda: node.status(run_id)[0]["state"] == "ended")
    status = node.status(run_id)[0]
    assert (status["ended_by"], status["signal"], status["left"]) == ("lease", signal.SIGINT, 0)
    assert status["stop_reason"] == "nobody has followed for 0.5 s, and the lease is 0.5 s"


def test_lease_that_is_renewed_keeps_the_job(node: Node) -> None:
    """A job lives longer than its lease as long as somebody renews it; new terms of 0 end the need for that."""
    run_id = node.start("sleep 300", lease_s=1)
    path = str(node.rank_dir(run_id) / "lease")
    for _ in range(15):
        lease.renew(path, 1)
        time.sleep(0.1)
    assert node.status(run_id)[0]["state"] == "running"
    lease.renew(path, 0)
    time.sleep(1.2)
    assert node.status(run_id)[0]["state"] == "running"


@pytest.mark.parametrize("seconds", [1e6, None], ids=["from-the-future", "damaged"])
def test_lease_that_cannot_be_true_runs_out_all_the_same(node: Node, seconds: float | None) -> None:
    """What was known before counts; nothing in the file can keep a job that nobody follows."""
    run_id = node.start("sleep 300", lease_s=0.7)
    text = "damaged" if seconds is None else f"{lease.now_s() + seconds:020.3f} {0.5:010.3f}\n"
    (node.rank_dir(run_id) / "lease").write_text(text)
    wait_until(lambda: node.status(run_id)[0]["ended_by"] == "lease", 5)


def test_job_that_ignores_everything_is_killed_with_all_it_made(node: Node) -> None:
    """Other sessions, double forks and empty environments do not get away."""
    run_id = node.start(STUBBORN)
    node.wait_for(run_id, b"up")
    supervisor = node.supervisor(run_id)
    wait_until(lambda: len(processes.of_run(run_id, 0, [supervisor])) == 6)
    members = processes.of_run(run_id, 0, [supervisor])
    processes.send(supervisor, signal.SIGTERM)
    status = node.follow_to_end(run_id)[1]
    assert (status["ended_by"], status["signal"], status["left"]) == ("stop", signal.SIGKILL, 0)
    assert status["stop_reason"] == f"SIGTERM from process {os.getpid()} of user {os.getuid()}"
    wait_until(lambda: not any(processes.is_running(member.to_json()) for member in members))


def test_what_a_job_leaves_behind_is_ended(node: Node) -> None:
    """The exit code of the job stays its own, and its end is the end of everything it started."""
    run_id = node.start(
        "(setsid sleep 300 &) ; setsid sh -c 'trap \"\" TERM INT; sleep 301; sleep 302' & sleep 0.2; exit 4"
    )
    status = node.follow_to_end(run_id)[1]
    assert (status["ended_by"], status["exit_code"], status["left"]) == ("itself", 4, 0)
    assert processes.of_run(run_id) == []


def test_supervisor_costs_next_to_nothing(node: Node) -> None:
    """At most 12 MB of memory, and a thousandth of a processor while nothing happens."""
    run_id = node.start("sleep 300", lease_s=1000, timeout_s=1000)
    supervisor = node.supervisor(run_id)
    time.sleep(0.3)

    def cpu_ns() -> int:
        return int(Path(f"/proc/{supervisor.pid}/schedstat").read_text().split()[0])

    began_ns = cpu_ns()
    time.sleep(3)
    assert cpu_ns() - began_ns < 0.001 * 3e9
    memory = Path(f"/proc/{supervisor.pid}/status").read_text().split("VmRSS:")[1].split()[0]
    assert int(memory) <= 12 * 1024


def test_supervisor_that_is_killed_takes_its_job_along(node: Node) -> None:
    """Nobody would keep time and lease any more, so the kernel sends the job a SIGINT."""
    run_id = node.start("trap 'echo interrupted; exit 1' INT; echo up; while :; do sleep 0.05; done")
    node.wait_for(run_id, b"up")
    processes.send(node.supervisor(run_id), signal.SIGKILL)
    node.wait_for(run_id, b"interrupted")


def test_request_that_came_before_the_job_keeps_it_from_starting(node: Node) -> None:
    """A supervisor that finds a request to stop records the end and starts nothing."""
    run_id = node.start("echo once >> ran")
    node.follow_to_end(run_id)
    rank_dir = node.rank_dir(run_id)
    status = files.read_json(str(rank_dir / "status.json"))
    assert status is not None
    files.write_json(str(rank_dir / "status.json"), {**status, "state": "starting"})
    files.create_once(str(rank_dir / "stop"), {"reason": "user"})
    subprocess.run(["python3", "-E", "-s", "-S", "-B", rank_dir / "supervisor"], check=True)
    status = files.read_json(str(rank_dir / "status.json"))
    assert status is not None
    assert (status["state"], status["ended_by"], status["stop_reason"]) == ("ended", "stop", "user")
    assert (rank_dir / "work" / "ran").read_text() == "once\n"


@pytest.fixture
def small_state_dir(node: Node) -> Iterator[Path]:
    """A state directory on a file system of 1 MiB and a bit."""
    if os.geteuid() != 0:
        pytest.skip("a disk that is full needs root (mount of a tmpfs)")
    node.state_dir.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1536k", "none", node.state_dir], check=False)
    if mounted.returncode != 0:
        pytest.skip("no right to mount a tmpfs here")
    yield node.state_dir
    node.kill_everything()
    subprocess.run(["umount", node.state_dir], check=True)


def test_full_disk_neither_hides_the_end_nor_ends_the_run(node: Node, small_state_dir: Path) -> None:
    """The job fills the disk; a poll renews its lease, it is stopped on request, and its end is recorded."""
    script = "dd if=/dev/zero of=filler bs=1k count=4096 2>/dev/null; rc=$?; sleep 300 & wait; exit $rc"
    run_id = node.start(script, lease_s=1000)
    wait_until(lambda: os.statvfs(small_state_dir).f_bavail == 0)
    before = lease.read(str(node.rank_dir(run_id) / "lease"))
    assert node.follow(run_id, lease_s=2000, wait_s=0)["status"]["state"] == "running"
    after = lease.read(str(node.rank_dir(run_id) / "lease"))
    assert before is not None
    assert after is not None
    assert (after[0] > before[0], before[1], after[1]) == (True, 1000, 2000)
    answer = node.stop(run_id, reason="user")
    assert os.statvfs(small_state_dir).f_bavail == 0
    assert (answer["clean"], answer["status"]["state"], answer["status"]["ended_by"]) == (True, "ended", "stop")
