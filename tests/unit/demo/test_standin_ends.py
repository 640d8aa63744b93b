# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run of the stand-in ends before its time, and what it refuses or shares: as the real tool does."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.demo.conftest import Host, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_RUN = ["run", "--live-output", "--timeout", "60", "--tags"]
BOTH = pytest.mark.parametrize("version", ["1", "2"])


@pytest.mark.parametrize(("version", "code"), [pytest.param("1", 0, id="v1"), pytest.param("2", 3, id="v2")])
def test_timeout_when_over_then_a_failed_model_and_no_process_left(
    make_host: Callable[..., Host], version: str, code: int
) -> None:
    """The time limit kills the container and leaves a FAILURE row."""
    host = make_host(version)
    result = host.run("run", "--live-output", "--timeout", "1", "--tags", "demo_hang")
    assert (result.code, host.rows()[0]["status"], host.container_pids()) == (code, "FAILURE", [])
    assert "Program timed out. Requested timeout=1" in result.out


@BOTH
def test_live_output_when_not_asked_then_only_the_log_has_it(make_host: Callable[..., Host], version: str) -> None:
    """Without --live-output the model's lines are in the log; v2 loses them when the model fails."""
    host = make_host(version)
    good = host.run("run", "--tags", "demo_noperf", env={"MAD_COLLECT_METRICS": "false"})
    logs = "".join(path.read_text() for path in host.mad.glob("demo_noperf*.live.log"))
    assert ("demo_noperf: done" in good.out, "demo_noperf: done" in logs) == (False, True)
    context = "{'docker_env_vars': {'DEMO_FAIL_RANK': '0', 'DEMO_FAIL_AFTER_S': '0'}}"
    host.run("run", "--tags", "demo_fail", "--additional-context", context)
    logs = "".join(path.read_text() for path in host.mad.glob("demo_fail*.live.log"))
    assert ("demo_fail on node 0" in logs) is (version == "1")


@pytest.mark.parametrize(
    ("version", "signum", "code", "left"),
    [
        pytest.param("1", signal.SIGINT, -signal.SIGINT, False, id="v1-interrupt"),
        pytest.param("2", signal.SIGINT, 1, False, id="v2-interrupt"),
        pytest.param("1", signal.SIGTERM, -signal.SIGTERM, True, id="v1-term"),
        pytest.param("2", signal.SIGTERM, -signal.SIGTERM, True, id="v2-term"),
        pytest.param("2", signal.SIGKILL, -signal.SIGKILL, True, id="v2-kill"),
    ],
)
def test_signal_when_a_model_runs_then_only_interrupt_cleans_up(
    make_host: Callable[..., Host], version: str, signum: int, code: int, *, left: bool
) -> None:
    """SIGINT to the group removes the container; SIGTERM and SIGKILL leave it training. No row is written."""
    host = make_host(version)
    process = host.start(
        *MODEL_RUN, "demo_sleep", "--additional-context", "{'docker_env_vars': {'DEMO_TICK_S': '0.1'}}"
    )
    wait_for(lambda: any("tick 1 of" in log.read_text() for log in host.mad.glob("*.live.log")), "the first tick")
    os.killpg(process.pid, signum)
    assert process.wait(60) == code
    assert bool(host.container_pids()) is left
    if left:
        time.sleep(0.5)
        assert host.container_pids(), "the container must survive its next print"
    assert (host.mad / "run_directory").exists()
    assert not (host.mad / "perf.csv").exists() or host.rows() == []


@pytest.mark.parametrize(("version", "good"), [pytest.param("1", False, id="v1"), pytest.param("2", True, id="v2")])
def test_container_when_one_was_left_then_v1_refuses_and_v2_kills_it(
    make_host: Callable[..., Host], version: str, *, good: bool
) -> None:
    """A container left behind blocks the next run of v1; v2 removes it, whoever it belongs to."""
    host = make_host(version)
    host.env["MADENGINE_STANDIN_STATE"] = str(host.mad.parent / "docker")
    process = host.start(*MODEL_RUN, "demo_sleep")
    wait_for(lambda: any("tick 1 of" in log.read_text() for log in host.mad.glob("*.live.log")), "the first tick")
    process.kill()
    process.wait()
    orphans = set(host.container_pids())
    context = "{'docker_env_vars': {'DEMO_SECONDS': '1', 'DEMO_TICK_S': '0'}}"
    result = host.run(*MODEL_RUN, "demo_sleep", "--additional-context", context)
    assert (host.rows()[-1]["status"] == "SUCCESS") is good
    assert bool(orphans & set(host.container_pids())) is not good
    assert ("already exists" in result.out) is True


@pytest.mark.parametrize(
    ("version", "mirror", "code", "status"),
    [
        pytest.param("1", "missing", 0, "FAILURE", id="v1-missing"),
        pytest.param("2", "missing", 3, "FAILURE", id="v2-missing"),
        pytest.param("1", "there", 0, "SUCCESS", id="v1-there"),
        pytest.param("2", "there", 0, "SUCCESS", id="v2-there"),
    ],
)
def test_mirror_when_forced_then_must_exist_and_gets_the_data(
    make_host: Callable[..., Host], version: str, mirror: str, code: int, status: str
) -> None:
    """--force-mirror-local fails for a path that is not there and downloads below one that is."""
    host = make_host(version)
    path = host.mad.parent / mirror
    if mirror == "there":
        path.mkdir()
    result = host.run(*MODEL_RUN, "demo_data", "--force-mirror-local", str(path))
    assert (result.code, host.rows()[0]["status"]) == (code, status)
    assert ("mirrorlocal is a non-existent path." in result.out) is (mirror == "missing")
    assert [str(found.relative_to(path)) for found in path.rglob("*.txt")] == (
        ["demo_data/data.txt"] if mirror == "there" else []
    )


@BOTH
def test_mirror_when_the_model_has_no_data_then_is_not_looked_at(make_host: Callable[..., Host], version: str) -> None:
    """For a model without data the path means nothing."""
    host = make_host(version)
    assert host.run(*MODEL_RUN, "demo_env", "--force-mirror-local", "/nowhere").code == 0
    assert host.rows()[0]["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("version", "words", "message", "code"),
    [
        pytest.param("1", [], "Too many gpus requested(9). System has 2 gpus. Context has 2 gpus.", 0, id="v1"),
        pytest.param("2", [], "Too many gpus requested(9). System has 2 gpus. Context has 2 gpus.", 3, id="v2"),
        pytest.param("2", ["-c", '{"gpus_per_node": 1}'], "NGPUS requested is 1 out of 2", 0, id="v2-context-wins"),
    ],
)
def test_gpus_when_a_card_wants_too_many_then_failed(
    make_host: Callable[..., Host], version: str, words: list[str], message: str, code: int
) -> None:
    """A card that wants more GPUs than the host has fails; in v2 gpus_per_node beats the card."""
    host = make_host(version)
    cards = json.loads((host.mad / "models.json").read_text())
    (host.mad / "models.json").write_text(json.dumps([{**card, "n_gpus": "9"} for card in cards]))
    result = host.run(*MODEL_RUN, "demo_env", *words)
    assert (result.code, message in result.out) == (code, True)


def test_demo_folder_when_used_then_gets_no_files(make_host: Callable[..., Host]) -> None:
    """The stand-in writes no byte code beside itself: its directory may be mounted read-only."""
    host = make_host("2")
    host.run(*MODEL_RUN, "demo_env")
    demo = Path(os.path.realpath(host.mad.parent / "bin" / "madengine")).parent
    assert not list((demo / "MAD").rglob("__pycache__"))
