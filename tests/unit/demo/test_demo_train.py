# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo training across two hosts of this machine, and the torchrun that starts its processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.demo.conftest import Host

TORCHRUN = Path(__file__).resolve().parents[3] / "demo" / "bin" / "torchrun"
NAMES = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")


def context(version: str, rank: int, port: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a JSON document
    """What a launcher sends to each of two hosts with two processes each."""
    variables = {"NODE_RANK": str(rank), "NNODES": "2", "NPROC_PER_NODE": "2", **changes}
    if version == "1":
        settings = {
            "MAD_RUNTIME_NGPUS": 2,
            "NNODES": 2,
            "NODE_RANK": rank,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        return {"multi_node_args": settings, "docker_env_vars": variables}
    variables["MAD_MULTI_NODE_RUNNER"] = (
        f"torchrun --nnodes=2 --nproc_per_node=2 --node_rank={rank} --master_addr=127.0.0.1 --master_port={port}"
    )
    return {"docker_env_vars": variables, "gpus_per_node": 2}


def start(host: Host, version: str, rank: int, port: int, **changes: Any) -> subprocess.Popen[str]:  # noqa: ANN401
    """Start one host's part."""
    (host.mad / "context.json").write_text(json.dumps(context(version, rank, port, **changes)))
    words = [
        "run",
        "--tags",
        "demo_train",
        "--live-output",
        "--timeout",
        "60",
        "--additional-context-file",
        "context.json",
    ]
    return host.start(*words, env={"MAD_COLLECT_METRICS": "true" if rank == 1 else "false"})


@pytest.mark.parametrize("version", ["1", "2"])
def test_training_when_on_two_hosts_then_all_four_ranks_agree(
    make_host: Callable[..., Host], free_port: int, version: str
) -> None:
    """Two hosts with two processes each train together; only the last host reports the performance."""
    hosts = [make_host(version), make_host(version)]
    processes = [start(host, version, rank, free_port) for rank, host in enumerate(hosts)]
    results = [host.finish(process) for host, process in zip(hosts, processes, strict=True)]
    assert [result.code for result in results] == [0, 0]
    agreed = [line for result in results for line in result.out.splitlines() if "parameters equal" in line]
    assert sorted(line.split(":")[0] for line in agreed) == [f"rank {rank} of 4" for rank in range(4)]
    assert {line.split(": ")[1] for line in agreed} == {"parameters equal on all ranks, sha256 36b9178a25b0c5e6"}
    assert ["world size: 4" in result.out.splitlines() for result in results] == [False, True]
    first = "FAILURE" if version == "1" else "SUCCESS"
    assert [host.rows()[0]["status"] for host in hosts] == [first, "SUCCESS"]


def test_training_when_an_interface_is_missing_then_fails_by_its_name(
    make_host: Callable[..., Host], free_port: int
) -> None:
    """An interface that is not there is refused with gloo's words, which v2 finds in the log."""
    host = make_host("2")
    result = host.finish(start(host, "2", 0, free_port, GLOO_SOCKET_IFNAME="ens99"))
    assert (result.code, host.rows()[0]["status"]) == (3, "FAILURE")
    assert "RuntimeError: Unable to find address for: ens99" in result.out
    assert "failed (exitcode: 1) local_rank: " in result.out


ONE_FAILS = """
import os, pathlib, signal, sys, time
ready = pathlib.Path("ready")
if os.environ["RANK"] == "1":
    while not ready.exists():
        time.sleep(0.01)
    sys.exit(7)
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(print("ended by", int(number))))
ready.touch()
time.sleep(60)
"""


def run_torchrun(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script under the torchrun of the demo."""
    (folder / "script.py").write_text(script)
    command = [sys.executable, str(TORCHRUN), *words, "script.py", "--word"]
    env = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(
            [
                "--nnodes",
                "2",
                "--nproc_per_node",
                "2",
                "--node_rank",
                "1",
                "--master_addr",
                "10.0.0.1",
                "--master_port",
                "4000",
            ],
            id="v1-form",
        ),
        pytest.param(
            ["--nnodes=2", "--nproc-per-node=2", "--node-rank=1", "--master-addr=10.0.0.1", "--master-port=4000"],
            id="v2-form",
        ),
    ],
)
def test_torchrun_when_given_its_options_then_sets_what_the_real_one_sets(tmp_path: Path, words: list[str]) -> None:
    """Every process gets its ranks, the world and the master, and the script its own arguments."""
    script = f"import os, sys; print(sys.argv[1:], *[os.environ[n] for n in {NAMES}])"
    done = run_torchrun(tmp_path, script, *words)
    assert (done.returncode, sorted(done.stdout.splitlines())) == (
        0,
        [f"['--word'] 10.0.0.1 4000 4 {rank} {rank - 2} 2 1" for rank in (2, 3)],
    )


def test_torchrun_when_standalone_then_one_node_of_its_own(tmp_path: Path) -> None:
    """--standalone overrides the other places with a world of this node alone."""
    script = "import os; print(*[os.environ[n] for n in ('MASTER_ADDR', 'WORLD_SIZE', 'RANK')])"
    done = run_torchrun(tmp_path, script, "--standalone", "--nproc_per_node=2")
    assert sorted(done.stdout.splitlines()) == ["127.0.0.1 2 0", "127.0.0.1 2 1"]


def test_torchrun_when_one_process_fails_then_ends_all_with_1(tmp_path: Path) -> None:
    """The first failure is named, and the process that would wait is ended by SIGTERM."""
    done = run_torchrun(tmp_path, ONE_FAILS, "--nproc_per_node=2")
    assert (done.returncode, done.stdout) == (1, "ended by 15\n")
    assert done.stderr.startswith("failed (exitcode: 7) local_rank: 1 (pid: ")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--rdzv-endpoint", "x"], id="unknown-option"),
        pytest.param(["--nnodes", "two"], id="no-number"),
        pytest.param(["--nnodes", "2", "--node_rank", "2"], id="rank-out-of-range"),
    ],
)
def test_torchrun_when_options_are_wrong_then_refused_with_2(tmp_path: Path, words: list[str]) -> None:
    """What it does not know it does not start."""
    assert run_torchrun(tmp_path, "", *words).returncode == 2
