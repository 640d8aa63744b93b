# SPDX-License-Identifier: GPL-3.0-or-later
"""What ranks print arrives on the screen and in the log files: all of it, once, in order, whole, and only as text."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import ClusterOptions
from tests.integration.launching import LAUNCHER, REPOSITORY, environment, launch
from tests.integration.models import wrap_madengine
from tests.integration.running import launch_live, rank_dir, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.base import AnyCluster
    from tests.cluster.fixtures import MakeCluster
    from tests.integration.launching import Launch
    from tests.integration.running import Running

pytestmark = [pytest.mark.cluster]

LINES = 20_000
MEGABYTE = 1024 * 1024
# Between printing and reading lie the poll of the node (0.1 s) and two processes; a busy machine takes longer.
LIVE_WITHIN_S = 5.0


def _numbered(node_rank: int) -> list[str]:
    """The lines of demo_lines on one rank."""
    return [f"node {node_rank} line {number:05d} of {LINES}" for number in range(1, LINES + 1)]


def _node_logs(cluster: AnyCluster, run_id: str) -> list[bytes]:
    return [(rank_dir(node, run_id, node.index) / "log").read_bytes() for node in cluster.hosts]


def _shown(log: bytes) -> list[str]:
    return log.decode().removesuffix("\n").split("\n")


def test_lines_of_four_ranks_arrive_in_json_once_in_order_and_whole(cluster: AnyCluster, tmp_path: Path) -> None:
    """20,000 lines per rank: each becomes one event of its rank, and the log files are the nodes' byte for byte."""
    done = launch(cluster, tmp_path, "--model", "demo_lines")
    assert done.returncode == 0, done.stderr
    logs = _node_logs(cluster, done.outcome["run_id"])
    assert [done.log(rank) for rank in range(4)] == logs
    assert [done.lines(rank) for rank in range(4)] == [_shown(log) for log in logs]
    for rank, node in enumerate(cluster.hosts):
        assert [line for line in done.lines(rank) if line.startswith("node ")] == _numbered(rank)
        assert {line["host"] for line in done.of("line") if line["node_rank"] == rank} == {node.address}


def test_lines_of_four_ranks_arrive_on_screen_labeled(cluster: AnyCluster, tmp_path: Path) -> None:
    """As text each line stands behind `[host:rank]`, and lines of different ranks are never mixed within a line."""
    argv = [*LAUNCHER, *cluster.launcher_args(), "--model", "demo_lines"]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(tmp_path, NO_COLOR="1"))
    assert done.returncode == 0, done.stderr
    shown = done.stdout.split("\n")
    run_id = next(line for line in shown if line.startswith("Run id: ")).removeprefix("Run id: ")
    for node, log in zip(cluster.hosts, _node_logs(cluster, run_id), strict=True):
        label = f"[{node.address}:{node.index}] "
        of_rank = [line.removeprefix(label) for line in shown if line.startswith(label)]
        assert of_rank == _shown(log)
        assert [line for line in of_rank if line.startswith("node ")] == _numbered(node.index)


def _event_token(victim: str) -> bytes:
    """An event as the callback of ansible-runner writes it: base64 between marks that a terminal would not show."""
    stdout = f"[{victim}:0] forged by another rank"
    event = json.dumps({"event": "verbose", "uuid": "0", "stdout": stdout, "event_data": {}}).encode()
    text = base64.b64encode(event)
    return b"\x1b[K" + text + b"\x1b[%dD" % len(text) + b"\x1b[K"


def _hostile(victim: str) -> bytes:
    """Output of a rank, without a newline at its end."""
    forged = _event_token(victim)
    return b"".join(
        [
            b"before the forged event " + forged + b" behind it\n",
            # What is left when the simple marks are taken out must not be a mark again.
            forged.replace(b"\x1b[K", b"\x1b\x1b[2J[K").replace(b"\x1b[", b"\x1b\x00[") + b"\n",
            b"\x1b[32mgreen\x1b[0m and \x1b]0;a title\x07gone\n",
            b"latin-1: caf\xe9, and all ones: \xff\n",
            f"[{victim}:0] in the name of another rank\n".encode(),
            b"one\x0btwo\x0cthree\xe2\x80\xa8four\xc2\x85five\n",
            b"\n",
            b"SSH password: \n",
            b"x" * MEGABYTE + b"\n",
            b"SSH password: ",
        ]
    )


@pytest.mark.namespace
def test_hostile_output_when_relayed_then_is_text_and_nothing_else(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """No output is taken for an event, a label or a prompt, with a password login; the log keeps every byte."""
    cluster = make_cluster(2, options=ClusterOptions(password="correct-horse"))
    victim = cluster.nodes[0].address
    (cluster.nodes[1].home / "output").write_bytes(_hostile(victim))
    script = 'madengine "$@"; code=$?; [ ! -e ~/output ] || cat ~/output; exit $code'
    secret = tmp_path / "password"
    secret.write_text("correct-horse\n")
    args = ["--nodes", cluster.nodes_arg(), "--ssh-user", cluster.access.user, "--ssh-password-file", str(secret)]
    args += [f"--ssh-args={cluster.access.ssh_args()}", "--madengine-path", wrap_madengine(cluster, script)]
    argv = [*LAUNCHER, *args, "--output", "json", "--model", "demo_train"]
    with running(cluster, argv, environment(tmp_path)) as started:
        done = started.finish()
    assert done.returncode == 0, done.stderr
    assert done.log(1).endswith(_hostile(victim))
    assert [done.log(0), done.log(1)] == _node_logs(cluster, done.outcome["run_id"])
    _check_hostile_lines(done, victim)
    assert "correct-horse" not in "\n".join(line.text for line in started.lines) + done.stderr


def _check_hostile_lines(done: Launch, victim: str) -> None:
    payload = _event_token(victim).split(b"\x1b")[1].removeprefix(b"[K").decode()
    expected = [
        f"before the forged event {payload} behind it",
        r"latin-1: caf\xe9, and all ones: \xff",
        f"[{victim}:0] in the name of another rank",
        "onetwothreefourfive",
        "",
        "SSH password: ",
        "x" * MEGABYTE,
        "SSH password: ",
    ]
    lines = done.lines(1)
    shown = lines[lines.index(expected[0]) :]
    colored = re.compile(r"(\x1b\[\d+m)?green(\x1b\[0m)? and gone")
    assert colored.fullmatch(shown[2])
    assert shown[:1] + shown[3:] == expected
    assert not [line for line in done.lines(0) if "forged" in line or "in the name of" in line]


PROGRESS = """
date '+early %s.%N'
for step in $(seq 1 30); do printf '\\rstep %d/30' $step; sleep 0.1; done
printf '\\nhalf a line, '
sleep 0.5
echo 'and its other half'
date '+late %s.%N'
sleep 1
"""


@pytest.mark.namespace
def test_line_when_printed_then_is_on_screen_while_the_rank_runs(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """A line is there within seconds, but never half of one; a progress bar is shown now and then, and at its end."""
    cluster = make_cluster(1)
    wrapped = wrap_madengine(cluster, PROGRESS + 'exec madengine "$@"')
    with launch_live(cluster, tmp_path, "--model", "demo_train", "--madengine-path", wrapped) as started:
        started.wait_for(lambda text: '"early ' in text)
        assert '"late ' not in started.lines[-1].text
        done = started.finish()
    assert done.returncode == 0, done.stderr
    delays_s = {mark: _delay_s(started, mark) for mark in ("early", "late")}
    assert {mark: delay_s for mark, delay_s in delays_s.items() if delay_s > LIVE_WITHIN_S} == {}
    steps = [int(line.split()[1].removesuffix("/30")) for line in done.lines(0) if line.startswith("step ")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 30
    assert 2 <= len(steps) <= 8
    assert [line for line in done.lines(0) if "half" in line] == ["half a line, and its other half"]


def _delay_s(started: Running, mark: str) -> float:
    """How long after the rank had printed a line with its own time in it the line was on standard output."""
    events = [(line.at_s, json.loads(line.text)) for line in started.lines]
    seen = [(at_s, event["text"]) for at_s, event in events if event["event"] == "line"]
    at_s, text = next((at_s, text) for at_s, text in seen if text.startswith(mark))
    return at_s - float(text.split()[1])
