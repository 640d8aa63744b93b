# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry `follow`: every byte once, quickly, whatever happens to the rank."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _node_call
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import files, lease, processes

from tests.unit.plugins.module_utils.node.local_node import Node, document, wait_until


def test_follow_returns_soon_after_the_first_line(node: Node) -> None:
    """It does not wait for its time to be over, and gathers what comes shortly after."""
    run_id = node.start("sleep 0.4; echo one; sleep 0.03; echo two; sleep 300")
    began_s = time.monotonic()
    answer = node.follow(run_id, wait_s=20, want_results=True)
    assert time.monotonic() - began_s < 3
    assert (answer["data"], answer["offset"], answer["size_bytes"], answer["results"]) == (b"one\ntwo\n", 0, 8, None)
    assert answer["status"]["state"] == "running"


def test_follow_returns_nothing_after_its_time(node: Node) -> None:
    """A silent rank costs one poll per wait."""
    run_id = node.start("sleep 300")
    began_s = time.monotonic()
    answer = node.follow(run_id, wait_s=0.5)
    assert (answer["data"], answer["size_bytes"]) == (b"", 0)
    assert time.monotonic() - began_s >= 0.5


def test_follow_waits_at_most_half_the_lease(node: Node) -> None:
    """A poll that nobody waits for any more must not keep a rank alive for long."""
    run_id = node.start("sleep 300", lease_s=2)
    began_s = time.monotonic()
    assert node.follow(run_id, wait_s=20, lease_s=2)["status"]["state"] == "running"
    assert time.monotonic() - began_s >= 1


@pytest.mark.parametrize(("holds_line", "age_s"), [(True, (0, 3)), (False, (4.9, 9))])
def test_follow_renews_while_it_waits_when_its_caller_holds_the_line(
    node: Node, age_s: tuple[float, float], *, holds_line: bool
) -> None:
    """A network that is cut just before the next poll has the whole lease left to come back."""
    run_id = node.start("sleep 300", lease_s=10)
    node.follow(run_id, lease_s=10, wait_s=5, holds_line=holds_line)
    renewed = lease.read(str(node.rank_dir(run_id) / "lease"))
    assert renewed is not None
    assert age_s[0] <= lease.now_s() - renewed[0] <= age_s[1]


@pytest.mark.parametrize("holds_line", [True, False])
def test_follow_whose_caller_hangs_up_ends_at_once(node: Node, *, holds_line: bool) -> None:
    """It renews nothing any more; one that cannot know waits as long as it was told."""
    run_id = node.start("sleep 300", lease_s=60)
    arguments = node.follow_arguments(run_id, lease_s=60, wait_s=4, holds_line=holds_line)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["/bin/sh", "-c", _node_call.shell_line("")], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as call:
        assert call.stdin is not None
        assert call.stdout is not None
        assert call.stderr is not None
        call.stdin.write(document("follow", arguments))
        call.stdin.close()
        wait_until(lambda: lease.begun(str(node.rank_dir(run_id) / "lease")))
        began_s = time.monotonic()
        call.stdout.close()
        call.stderr.close()
        call.wait(10)
    assert (time.monotonic() - began_s < 2) == holds_line


def test_follow_gives_bytes_as_they_are(node: Node) -> None:
    """NUL, broken UTF-8, carriage returns and a last line without an end."""
    run_id = node.start(r"printf '\000\377\376a\r50%%\r100%%\nno end'")
    log, _ = node.follow_to_end(run_id)
    assert log == b"\x00\xff\xfea\r50%\r100%\nno end"


def test_follow_cuts_a_large_log_into_pieces(node: Node) -> None:
    """At most max_bytes at once; together exactly the log, with results only at the very end."""
    run_id = node.start("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    wait_until(lambda: node.status(run_id)[0]["state"] == "ended")
    expected = "".join(f"line {number}\n" for number in range(20000)).encode()
    log = b""
    answers: list[dict[str, Any]] = []
    while len(log) < len(expected) and len(answers) < 10:
        answers.append(node.follow(run_id, len(log), max_bytes=100_000, want_results=True))
        log += answers[-1]["data"]
    assert log == expected
    assert [len(answer["data"]) for answer in answers] == [100_000, 100_000, len(expected) - 200_000]
    assert [answer["results"] is None for answer in answers] == [True, True, False]


def test_follow_of_an_ended_rank_returns_at_once_with_results(node: Node) -> None:
    """Also when there is nothing new to read."""
    run_id = node.start("echo 'a,b' > perf.csv; echo done; exit 2")
    log, _ = node.follow_to_end(run_id)
    began_s = time.monotonic()
    answer = node.follow(run_id, len(log), wait_s=20, want_results=True)
    assert time.monotonic() - began_s < 3
    assert (answer["data"], answer["status"]["exit_code"]) == (b"", 2)
    assert (answer["results"]["first_lines"], answer["results"]["perf_csv"]) == (["done"], "a,b\n")
    assert node.follow(run_id, 0, want_results=False)["results"] is None


def test_follow_at_the_end_says_what_is_left(node: Node) -> None:
    """Nothing, as the supervisor saw to it; before the end, and where nobody asked for results, nothing is said."""
    run_id = node.start("echo done; exit 2")
    assert node.follow(run_id, wait_s=0, max_bytes=0, want_results=True)["clean"] is None
    log, _ = node.follow_to_end(run_id)
    clean = {"schema": 1, "found": True, "clean": True, "processes_left": [], "containers_left": []}
    before_s = time.time()
    answer = node.follow(run_id, len(log), want_results=True)
    assert answer["clean"] == clean
    assert before_s <= answer["now_s"] <= time.time()
    assert node.follow(run_id, len(log))["clean"] is None


def test_follow_that_only_looks_leaves_the_lease_alone(node: Node) -> None:
    """Somebody who reads along neither keeps a rank alive nor lifts a lease, and may wait as long as he likes."""
    run_id = node.start("echo up; sleep 300", lease_s=1.5)
    began_s = time.monotonic()
    log = node.follow(run_id, renew=False)["data"]
    while time.monotonic() - began_s < 10:
        answer = node.follow(run_id, len(log), renew=False, wait_s=5)
        if answer["status"]["state"] == "ended":
            break
    assert (log, answer["status"]["ended_by"]) == (b"up\n", "lease")


def test_follow_without_terms_lifts_the_lease(node: Node) -> None:
    """Who leaves a run to itself follows it once more, with a lease of 0."""
    run_id = node.start("sleep 300", lease_s=1)
    node.follow(run_id, lease_s=0, wait_s=0)
    time.sleep(2)
    assert node.status(run_id)[0]["state"] == "running"
    assert node.follow(run_id, lease_s=1, wait_s=0)["status"]["state"] == "running"
    wait_until(lambda: node.status(run_id)[0]["ended_by"] == "lease")


@pytest.mark.parametrize("offset", [6, -1])
def test_follow_refuses_an_offset_that_is_not_in_the_log(node: Node, offset: int) -> None:
    """A log that became shorter is damaged; to go on silently would lose lines."""
    run_id = node.start("echo 1234")
    node.follow_to_end(run_id)
    with pytest.raises(NodeCallError) as caught:
        node.follow(run_id, offset)
    log = node.rank_dir(run_id) / "log"
    assert caught.value.message == f"{log} has 5 bytes, asked for was what follows byte {offset}"


def test_follow_refuses_a_rank_that_is_not_here(node: Node) -> None:
    """The message names the directory in which it was looked for."""
    with pytest.raises(NodeCallError) as caught:
        node.follow("unknown")
    assert caught.value.message == f"this host has no rank 0 of the run unknown ({node.state_dir}/runs/unknown)"


def test_follow_sees_that_the_supervisor_is_gone(node: Node) -> None:
    """A record that still says running is not believed."""
    run_id = node.start("trap '' INT; echo up; sleep 300; sleep 301")
    node.wait_for(run_id, b"up")
    processes.send(node.supervisor(run_id), signal.SIGKILL)
    answer = node.follow(run_id, 3, wait_s=10, want_results=True)
    status = answer["status"]
    assert (status["state"], status["ended_by"], status["exit_code"]) == ("ended", "supervisor_lost", None)
    assert status["left"] >= 1
    assert status["ended_at_s"] >= status["started_at_s"]
    assert answer["results"]["first_lines"] == ["up"]


def test_follow_sees_that_the_host_was_started_anew(node: Node) -> None:
    """Numbers of processes mean nothing after a reboot, even if somebody has the same ones."""
    run_id = node.start("sleep 300")
    path = str(node.rank_dir(run_id) / "status.json")
    status = files.read_json(path)
    assert status is not None
    files.write_json(path, {**status, "boot_id": "of another boot"})
    assert node.follow(run_id)["status"]["ended_by"] == "supervisor_lost"


def test_follow_leaves_the_ranks_of_other_hosts_alone(node: Node) -> None:
    """With a home that all nodes share the directory is there, but the rank is not."""
    run_id = node.start("sleep 300")
    path = str(node.rank_dir(run_id) / "spec.json")
    spec = files.read_json(path)
    assert spec is not None
    files.write_json(path, {**spec, "hostname": "another-host"})
    with pytest.raises(NodeCallError, match="this host has no rank 0"):
        node.follow(run_id)
    assert node.status() == []
    files.write_json(path, spec)
