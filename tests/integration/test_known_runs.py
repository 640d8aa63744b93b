# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that were left or started elsewhere: the verbs, by their words, on real nodes."""

from __future__ import annotations

import json
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.options import NodeOptions
from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, launch, read_events
from tests.integration.running import check_nothing_left, kill_control_side, launch_live, left_on, running, status_on

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]


@pytest.fixture
def pair(make_cluster: MakeCluster) -> Cluster:
    """Two nodes."""
    return make_cluster(2, NodeOptions())


def again(cluster: Cluster, state: Path, *words: str) -> Launch:
    """Run a verb without naming nodes: the record of the run knows them."""
    argv = [*LAUNCHER, *words, "--output", "json"]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(state), timeout_s=90)
    return Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)


def detach(cluster: Cluster, state: Path, seconds: int) -> str:
    """Start a run that prints a tick a second, leave it, and return its id."""
    done = launch(cluster, state, "--model", "demo_sleep", "--env", f"DEMO_SECONDS={seconds}", "--detach")
    assert (done.returncode, done.outcome["state"]) == (0, "detached"), done.stderr
    assert [rank["state"] for rank in done.outcome["ranks"]] == ["running", "running"]
    return str(done.outcome["run_id"])


def ticks(seconds: int, node_rank: int) -> list[str]:
    """Return the lines that demo_sleep prints."""
    return [f"tick {number} of {seconds} on node {node_rank}" for number in range(1, seconds + 1)]


def shown(events: tuple[dict[str, Any], ...], node_rank: int) -> list[str]:
    """Return the ticks of a rank that were shown, in order."""
    lines = [item["text"] for item in events if item["event"] == "line" and item["node_rank"] == node_rank]
    return [text for text in lines if text.startswith("tick ")]


def test_detached_run_when_looked_at_then_goes_on_without_a_lease_until_it_is_stopped(
    pair: Cluster, tmp_path: Path
) -> None:
    """Status tells of it, a stop ends it and says so, and a second stop finds nothing to do."""
    run_id = detach(pair, tmp_path, 300)
    assert {float(_lease(pair, run_id, rank).split()[1]) for rank in (0, 1)} == {0.0}
    done = again(pair, tmp_path, "status", run_id[:-2])
    (chosen,) = done.of("chosen")
    ranks = chosen["status"]["ranks"]
    assert (done.returncode, chosen["run_id"], chosen["status"]["state"]) == (0, run_id, "running")
    assert [(rank["node_rank"], rank["state"], rank["host"]) for rank in ranks] == [
        (rank, "running", node.address) for rank, node in enumerate(pair.hosts)
    ]
    assert all(rank["runtime_s"] > 0 and rank["last_line"].startswith("tick ") for rank in ranks)
    stopped = again(pair, tmp_path, "stop")
    assert (stopped.returncode, stopped.outcome["state"]) == (0, "clean"), stopped.stderr
    (facts,) = stopped.of("stopped")
    assert (sorted(facts["clean"]), facts["found"]) == (sorted(node.address for node in pair.hosts), True)
    check_nothing_left(pair)
    assert [status_on(node, run_id, rank)["stop_reason"] for rank, node in enumerate(pair.hosts)] == ["user", "user"]
    assert again(pair, tmp_path, "stop", run_id).outcome["state"] == "clean"
    (listed,) = read_events(
        pair.run([*LAUNCHER, "list", "--output", "json"], cwd=REPOSITORY, env=environment(tmp_path)).stdout.splitlines()
    )
    assert [(run["run_id"], run["state"]) for run in listed["runs"]] == [(run_id, "stopped")]


def test_verbs_when_a_node_is_cut_off_then_say_so_and_stop_can_be_repeated(pair: Cluster, tmp_path: Path) -> None:
    """Status and logs tell what they can, attach refuses, stop ends what it reaches; the rest later."""
    run_id = detach(pair, tmp_path, 300)
    first, cut = pair.hosts
    cut.cut()
    status = again(pair, tmp_path, "status")
    (chosen,) = status.of("chosen")
    assert (status.returncode, status.outcome["state"], chosen["status"]["missing_ranks"]) == (3, "partly", [1])
    attached = again(pair, tmp_path, "attach")
    assert (attached.returncode, attached.outcome["state"]) == (3, "partly")
    assert attached.outcome["reason"].startswith(f"1 of 2 ranks of run {run_id} were not found: 1 ({cut.address}).")
    stopped = again(pair, tmp_path, "stop")
    (facts,) = stopped.of("stopped")
    assert (stopped.returncode, facts["clean"], list(facts["unverified"])) == (3, [first.address], [cut.address])
    cut.mend()
    assert len(left_on(pair)) == 1
    assert again(pair, tmp_path, "stop").returncode == 0
    check_nothing_left(pair)


def _lease(cluster: Cluster, run_id: str, node_rank: int) -> str:
    folder = cluster.hosts[node_rank].home / ".local/state/madlaunch/runs" / run_id / f"rank{node_rank}"
    return (folder / "lease").read_text()


def test_attach_when_the_launcher_was_killed_then_shows_every_line_once_and_judges_the_run(
    pair: Cluster, tmp_path: Path
) -> None:
    """Killed twice with everything it had started, the run is followed to its good end by the third."""
    words = ["--model", "demo_sleep", "--env", "DEMO_SECONDS=20"]
    with launch_live(pair, tmp_path, *words) as first:
        first.wait_for_text(1, "tick 3 of 20 on node 1")
        kill_control_side(pair)
    with running(pair, [*LAUNCHER, "attach", "--output", "json"], environment(tmp_path)) as second:
        second.wait_for_text(0, "tick 5 of 20 on node 0")
        kill_control_side(pair)
    done = again(pair, tmp_path, "attach")
    assert (done.returncode, done.outcome["state"]) == (0, "ok"), done.stderr
    for rank, node in enumerate(pair.hosts):
        assert shown(done.events, rank) == ticks(20, rank)
        run_id = done.outcome["run_id"] or done.of("chosen")[0]["run_id"]
        log = node.home / ".local/state/madlaunch/runs" / run_id / f"rank{rank}" / "log"
        assert done.log(rank) == log.read_bytes()
    record = json.loads(next((tmp_path / "runs").glob("*/run.json")).read_text())
    assert (record["mode"], record["exit_code"], record["outcome"]["state"]) == ("run", 0, "ok")


def test_attach_when_interrupted_then_stops_the_run(pair: Cluster, tmp_path: Path) -> None:
    """Ctrl-C in attach is Ctrl-C in the launch: all is stopped, and seen to be, before it returns."""
    detach(pair, tmp_path, 300)
    with running(pair, [*LAUNCHER, "attach", "--output", "json"], environment(tmp_path)) as attached:
        attached.wait_for_text(1, "tick 2 of 300 on node 1")
        attached.interrupt()
        code = attached.end()
    assert (code, attached.events[-1]["state"]) == (130, "interrupted")
    check_nothing_left(pair)


def test_logs_when_followed_and_interrupted_then_the_run_does_not_notice(pair: Cluster, tmp_path: Path) -> None:
    """One rank, its last lines, and what comes; Ctrl-C ends the looking alone."""
    detach(pair, tmp_path, 300)
    words = [*LAUNCHER, "logs", "-f", "--rank", "1", "--tail", "2", "--output", "json"]
    with running(pair, words, environment(tmp_path)) as watching:
        first = int(watching.wait_for_event("line", node_rank=1)["text"].split()[1])
        watching.wait_for_text(1, f"tick {first + 4} of 300 on node 1")
        watching.process.send_signal(signal.SIGINT)
        code = watching.end()
    events = [item for item in watching.events if item["event"] == "line"]
    assert code == 130
    assert {item["node_rank"] for item in events} == {1}
    # The run had printed for three seconds before it was left.
    assert first > 1
    assert [item["text"] for item in events][:5] == ticks(300, 1)[first - 1 : first + 4]
    assert len(left_on(pair)) == 2
    assert again(pair, tmp_path, "stop").returncode == 0


def last_lines(status: Launch) -> list[str]:
    """Return the last line of each rank as `status` told it."""
    return [rank["last_line"] for rank in status.of("chosen")[0]["status"]["ranks"]]


def test_verbs_when_on_another_control_node_then_work_by_inventory_and_run_id_alone(
    pair: Cluster, tmp_path: Path
) -> None:
    """The nodes hold the truth: without any record the run is known, collected and judged."""
    run_id = detach(pair, tmp_path / "first", 4)
    hosts = {f"worker{rank}": {"ansible_host": node.address} for rank, node in enumerate(pair.hosts)}
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": pair.inventory_vars()}}))
    elsewhere, words = tmp_path / "second", ["-i", str(inventory)]
    listed = again(pair, elsewhere, "list", *words)
    assert [run["run_id"] for run in listed.of("runs")[0]["runs"]] == [run_id]
    secret = tmp_path / "vars.env"
    secret.write_text(f"TOKEN={last_lines(again(pair, elsewhere, 'status', run_id, *words))[0]}\n")
    masked = again(pair, elsewhere, "status", run_id, *words, "--env-file", str(secret))
    assert last_lines(masked) == ["********"] * 2
    attached = again(pair, elsewhere, "attach", run_id, *words)
    assert (attached.returncode, attached.outcome["state"]) == (0, "ok"), attached.stderr
    assert [(rank["host"], rank["node_rank"]) for rank in attached.outcome["ranks"]] == [("worker0", 0), ("worker1", 1)]
    collected = again(pair, tmp_path / "third", "collect", run_id, *words)
    assert (collected.returncode, collected.outcome["state"]) == (0, "ok"), collected.stderr
    assert shown(collected.events, 0) == []
    assert [line for line in collected.log(0).decode().splitlines() if line.startswith("tick ")] == ticks(4, 0)
    assert Path(collected.outcome["summary_json"]).parent == tmp_path / "third" / "runs" / run_id


def test_playbooks_when_run_without_the_launcher_then_do_what_the_verbs_do(
    pair: Cluster, tmp_path: Path, collections_path: Path
) -> None:
    """The second door: status, logs, stop, collect and attach by the beginning of the run id."""
    run_id = detach(pair, tmp_path, 300)
    inventory = tmp_path / "inventory.json"
    hosts = {f"worker{rank}": {"ansible_host": node.address} for rank, node in enumerate(pair.hosts)}
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": pair.inventory_vars()}}))
    with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as home:
        env = environment(tmp_path, HOME=home, XDG_STATE_HOME=f"{home}/state", ANSIBLE_NOCOLOR="1")
        env["ANSIBLE_COLLECTIONS_PATH"] = str(collections_path)

        def play(verb: str, *more: str) -> tuple[int, str]:
            words = [f"madlaunch.multinode.{verb}", "-i", str(inventory), "-e", f"run_id={run_id[:-1]}", *more]
            done = pair.run(["ansible-playbook", *words], cwd=tmp_path, env=env, timeout_s=90)
            return done.returncode, done.stdout + done.stderr

        code, said = play("status")
        assert code == 0, said
        assert f"Run {run_id} (demo_sleep): running" in said
        assert "rank 1 on worker1: running" in said
        code, said = play("logs", "-e", "rank=1", "-e", "tail=1")
        assert (code, "[worker1:1] tick " in said, "[worker0:0]" in said) == (0, True, False), said
        code, said = play("stop")
        assert (code, f"run {run_id}: clean on 2/2 hosts" in said) == (0, True), said
        check_nothing_left(pair)
        code, said = play("collect")
        assert (code, "the run was ended on request" in said) == (2, True), said
        log = Path(home) / "state/madlaunch/runs" / run_id / "rank1.log"
        assert log.read_bytes() == (pair.hosts[1].home / f".local/state/madlaunch/runs/{run_id}/rank1/log").read_bytes()
        code, said = play("attach")
        assert (code, "[worker1:1] tick 1 of 300 on node 1" in said) == (2, True), said


def test_attach_when_another_launcher_follows_then_is_refused(pair: Cluster, tmp_path: Path) -> None:
    """Two on one machine would write the same logs; the refusal says how to watch."""
    with launch_live(pair, tmp_path, "--model", "demo_sleep", "--env", "DEMO_SECONDS=300") as first:
        first.wait_for_text(1, "tick 1 of 300 on node 1")
        refused = again(pair, tmp_path, "attach")
        assert (refused.returncode, refused.events) == (2, ())
        assert "another launcher on this machine follows run" in refused.stderr
        first.interrupt()
        assert first.end() == 130


def test_detach_when_interrupted_before_all_are_up_then_the_outcome_is_what_the_stop_saw(
    pair: Cluster, tmp_path: Path
) -> None:
    """Every rank that was up is told as stopped, and its host as clean."""
    with launch_live(pair, tmp_path, "--model", "demo_sleep", "--detach", "--grace-s", "2") as started:
        started.wait_for_event("start", node_rank=1)
        started.interrupt()
        done = started.finish()
    ranks = done.outcome["ranks"]
    assert (done.returncode, done.outcome["state"]) == (130, "interrupted"), done.outcome
    assert {rank["state"] for rank in ranks} <= {"stopped", "not_started"}
    assert [rank["clean"] for rank in ranks] == [True, True]


def test_detach_when_a_rank_ends_at_once_then_the_others_are_stopped(pair: Cluster, tmp_path: Path) -> None:
    """A run is left alone only when all of it is up."""
    done = launch(pair, tmp_path, "--model", "demo_fail", "--detach", "--grace-s", "2")
    assert (done.returncode, done.outcome["state"]) == (1, "failed"), done.stderr
    assert done.outcome["first_failure"]["node_rank"] == 1
    check_nothing_left(pair)
