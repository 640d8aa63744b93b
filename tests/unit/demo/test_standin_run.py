# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of the stand-in. Rows, files, messages and exit codes were compared with madengine v1.0.0 and v2.1.0."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.demo.conftest import Host, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER_V1 = (
    "model, n_gpus, training_precision, pipeline, args, tags, docker_file, base_docker, docker_sha, docker_image,"
    " git_commit, machine_name, gpu_architecture, performance, metric, relative_change, status, build_duration,"
    " test_duration, dataname, data_provider_type, data_size, data_download_duration, build_number,"
    " additional_docker_run_options"
)
HEADER_V2 = (
    "model,n_gpus,nnodes,gpus_per_node,training_precision,pipeline,args,tags,docker_file,base_docker,docker_sha,"
    "docker_image,git_commit,machine_name,deployment_type,launcher,gpu_architecture,performance,metric,relative_change,"
    "status,build_duration,test_duration,dataname,data_provider_type,data_size,data_download_duration,build_number,"
    "additional_docker_run_options"
)
MODEL_RUN = ["run", "--live-output", "--timeout", "60", "--tags"]
BOTH = pytest.mark.parametrize("version", ["1", "2"])


def row(model: str, **changes: str) -> dict[str, str]:
    """The row of a demo model that both versions write, but for the durations."""
    return {
        "model": model,
        "n_gpus": "-1",
        "training_precision": "",
        "pipeline": "",
        "args": "",
        "tags": "demo,fault",
        "docker_file": "docker/demo.ubuntu.amd.Dockerfile",
        "base_docker": "python:3.11-slim",
        "docker_sha": "",
        "docker_image": f"ci-{model}_demo.ubuntu.amd",
        "git_commit": "",
        "machine_name": os.uname().nodename,
        "gpu_architecture": "gfx942",
        "performance": "",
        "metric": "",
        "relative_change": "",
        "status": "FAILURE",
        "dataname": "",
        "data_provider_type": "",
        "data_size": "",
        "build_number": "0",
        "additional_docker_run_options": "",
        **changes,
    }


def row_v2(model: str, **changes: str) -> dict[str, str]:
    """The row of v2: all GPUs are counted, and four columns more."""
    more = {"nnodes": "1", "gpus_per_node": "2", "deployment_type": "local", "launcher": "docker"}
    return {**row(model, n_gpus="2"), **more, **changes}


@pytest.mark.parametrize(
    ("tag", "code", "changes"),
    [
        pytest.param("demo_env", 0, {"performance": "1", "metric": "environments", "status": "SUCCESS"}, id="good"),
        pytest.param("demo_fail", 0, {}, id="script-failed"),
        pytest.param("demo_noperf", 0, {}, id="no-performance-line"),
        pytest.param("demo_bytes", 0, {}, id="bytes-that-are-no-text"),
    ],
)
def test_v1_when_a_model_ran_then_0_and_the_row_tells(
    make_host: Callable[..., Host], tag: str, code: int, changes: dict[str, str]
) -> None:
    """V1 always ends with 0; only the row and the last line tell."""
    host = make_host("1")
    context = "{'docker_env_vars': {'DEMO_FAIL_RANK': '0', 'DEMO_FAIL_AFTER_S': '0'}}"
    result = host.run(*MODEL_RUN, tag, "--additional-context", context)
    last = "All models ran successfully." if "status" in changes else "Some models failed to run."
    assert (result.code, result.out.splitlines()[-1], host.rows()) == (code, last, [row(tag, **changes)])


@pytest.mark.parametrize(
    ("tag", "collect", "code", "changes"),
    [
        pytest.param(
            "demo_env", "true", 0, {"performance": "1", "metric": "environments", "status": "SUCCESS"}, id="good"
        ),
        pytest.param("demo_fail", "true", 3, {}, id="script-failed"),
        pytest.param("demo_noperf", "true", 3, {}, id="no-performance-line"),
        pytest.param("demo_noperf", "false", 0, {"status": "SUCCESS"}, id="no-performance-line-on-a-worker"),
        pytest.param("demo_bytes", "true", 3, {}, id="bytes-that-are-no-text"),
    ],
)
def test_v2_when_a_model_ran_then_code_row_and_summary_agree(
    make_host: Callable[..., Host], tag: str, collect: str, code: int, changes: dict[str, str]
) -> None:
    """V2 ends with 0 or 3, and the summary says the same as the row."""
    host = make_host("2")
    context = json.dumps({"docker_env_vars": {"DEMO_FAIL_RANK": 0, "DEMO_FAIL_AFTER_S": 0}})
    result = host.run(*MODEL_RUN, tag, "-c", context, "-s", "summary.json", env={"MAD_COLLECT_METRICS": collect})
    done = json.loads((host.mad / "summary.json").read_text())
    good, bad = done["run_phase"]["successful_runs"], done["run_phase"]["failed_runs"]
    assert (result.code, host.rows()) == (code, [row_v2(tag, **changes)])
    assert (done["overall_success"], [item["status"] for item in good + bad]) == (code == 0, [host.rows()[0]["status"]])
    assert done["run_phase"]["session_row_count"] == 1


def test_v2_summary_when_a_model_failed_then_has_the_real_keys(make_host: Callable[..., Host]) -> None:
    """The failed run names model, image, status and a fixed error."""
    host = make_host("2")
    host.run(*MODEL_RUN, "demo_noperf", "-s", "summary.json")
    done = json.loads((host.mad / "summary.json").read_text())
    assert list(done) == ["build_phase", "run_phase", "overall_success"]
    assert done["run_phase"] == {
        "successful_runs": [],
        "failed_runs": [
            {
                "model": "demo_noperf",
                "image": "ci-demo_noperf_demo.ubuntu.amd",
                "status": "FAILURE",
                "error": "Container execution failed - check logs for details",
            }
        ],
        "total_runs": 1,
        "session_start_row": 0,
        "session_row_count": 1,
    }


FILES_V1 = "demo_env_demo.ubuntu.amd.live.log madengine.log perf.csv perf.html perf_entry.csv perf_entry.json"
FILES_V2 = (
    "build_manifest.json demo_env_demo.ubuntu.amd.build.live.log demo_env_demo.ubuntu.amd.live.log"
    " demo_env_demo.ubuntu.amd.run.live.log perf.csv perf_entry.csv perf_entry.json perf_entry_super.csv"
    " perf_entry_super.json perf_super.csv perf_super.json"
)


@pytest.mark.parametrize(
    ("version", "words", "files"),
    [
        pytest.param("1", ["--generate-sys-env-details", "false"], FILES_V1, id="v1"),
        pytest.param("1", [], f"{FILES_V1} demo_env_env.csv", id="v1-with-system-details"),
        pytest.param("2", [], FILES_V2, id="v2"),
        pytest.param(
            "2",
            ["-c", '{"MAD_CONTAINER_IMAGE": "rocm/py:1"}'],
            "build_manifest.json demo_env_rocm_py_1.run.live.log perf.csv perf_entry.csv perf_entry.json"
            " perf_entry_super.csv perf_entry_super.json perf_super.csv perf_super.json",
            id="v2-with-an-image",
        ),
    ],
)
def test_run_when_done_then_leaves_the_real_files(
    make_host: Callable[..., Host], version: str, words: list[str], files: str
) -> None:
    """The names of logs and result files are the real ones, and run_directory is gone."""
    host = make_host(version)
    before = {path.name for path in host.mad.iterdir()} | {"out", "err"}
    host.run(*MODEL_RUN, "demo_env", *words)
    assert {path.name for path in host.mad.iterdir()} - before == set(files.split())


@pytest.mark.parametrize(
    ("version", "header"), [pytest.param("1", HEADER_V1, id="v1"), pytest.param("2", HEADER_V2, id="v2")]
)
def test_table_when_created_and_filled_then_has_the_real_header(
    make_host: Callable[..., Host], version: str, header: str
) -> None:
    """A new table of v1 has spaces in its header, which the first row takes away."""
    host = make_host(version)
    host.run("run")
    assert not (host.mad / "perf.csv").exists() or (host.mad / "perf.csv").read_text() == header + "\n"
    host.run(*MODEL_RUN, "demo_env")
    assert (host.mad / "perf.csv").read_text().split("\n")[0] == header.replace(", ", ",")


@BOTH
def test_table_when_it_has_rows_then_the_new_row_comes_last(make_host: Callable[..., Host], version: str) -> None:
    """Rows of earlier runs stay."""
    host = make_host(version)
    host.run(*MODEL_RUN, "demo_env")
    host.run(*MODEL_RUN, "demo_noperf")
    assert [line["model"] for line in host.rows()] == ["demo_env", "demo_noperf"]


@BOTH
def test_table_when_a_model_has_several_results_then_a_row_for_each(
    make_host: Callable[..., Host], version: str
) -> None:
    """A model's own table becomes one row per line, named after the model."""
    host = make_host(version)
    assert host.run(*MODEL_RUN, "demo_multi").code == 0
    assert [(line["model"], line["performance"], line["status"]) for line in host.rows()] == [
        ("demo_multi_forward", "10.5", "SUCCESS"),
        ("demo_multi_backward", "5.25", "SUCCESS"),
    ]


def test_v1_when_two_performance_lines_then_both_in_one_cell(make_host: Callable[..., Host]) -> None:
    """V1 takes every value of the log, joined by newlines."""
    host = make_host("1")
    (host.mad / "scripts/demo_env/run.sh").write_text("echo performance: 1e+3 x\necho performance: 2 y\n")
    host.run(*MODEL_RUN, "demo_env")
    assert (host.rows()[0]["performance"], host.rows()[0]["metric"]) == ("1e+3\n2", "x\ny")


CONTAINER_V1 = {
    "MAD_MODEL_NAME": "demo_env",
    "JENKINS_BUILD_NUMBER": "0",
    "MAD_GPU_VENDOR": "AMD",
    "MAD_SYSTEM_NGPUS": "2",
    "MAD_SYSTEM_GPU_ARCHITECTURE": "gfx942",
    "MAD_SYSTEM_GPU_PRODUCT_NAME": "AMD Instinct MI300X",
    "MAD_SYSTEM_HIP_VERSION": "6.3",
    "MAD_RUNTIME_NGPUS": "2",
    "MAD_MULTI_NODE_RUNNER": "NCCL_SOCKET_IFNAME= GLOO_SOCKET_IFNAME= torchrun --nproc_per_node 2 --nnodes 1"
    " --node_rank 0 --master_addr localhost --master_port 6006",
    "GIVEN": "$HOME `id` \\ ü",
}
CONTAINER_V2 = {
    **CONTAINER_V1,
    "MAD_MULTI_NODE_RUNNER": "torchrun --standalone --nproc_per_node=2",
    "MAD_GUEST_OS": "UBUNTU",
    "ROCM_PATH": "/opt/rocm",
    "NODE_RANK": "1",
}
OF_THE_CONTAINER = {"PATH", "HOME", "HOSTNAME", "MADENGINE_STANDIN_CONTAINER"}
OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}


@pytest.mark.parametrize(
    ("version", "expected"), [pytest.param("1", CONTAINER_V1, id="v1"), pytest.param("2", CONTAINER_V2, id="v2")]
)
def test_container_when_started_then_sees_only_its_own_environment(
    make_host: Callable[..., Host], version: str, expected: dict[str, str]
) -> None:
    """Of the process environment nothing gets in, in v2 only the known names; given values arrive unchanged."""
    host = make_host(version)
    (host.mad / "context.json").write_text(json.dumps({"docker_env_vars": {"GIVEN": CONTAINER_V1["GIVEN"]}}))
    result = host.run(
        *MODEL_RUN, "demo_env", "--additional-context-file", "context.json", env={"NODE_RANK": "1", "OTHER": "1"}
    )
    seen = json.loads(result.out.split("DEMO_ENV_BEGIN\n")[1].split("\nDEMO_ENV_END")[0])
    assert {k: v for k, v in seen.items() if k not in OF_THE_CONTAINER | OF_THE_SHELL} == expected


@pytest.mark.parametrize(
    ("version", "value", "good"),
    [
        pytest.param("1", "it's", False, id="v1-one-quote"),
        pytest.param("1", "a'; touch x; '", False, id="v1-two-quotes"),
        pytest.param("2", "it's", True, id="v2-one-quote"),
        pytest.param("2", "a'; touch x; '", True, id="v2-two-quotes"),
    ],
)
def test_container_when_a_value_has_a_quote_then_v1_breaks(
    make_host: Callable[..., Host], version: str, value: str, *, good: bool
) -> None:
    """V1 quotes values without escaping, so the `docker run` line breaks; v2 is right."""
    host = make_host(version)
    (host.mad / "context.json").write_text(json.dumps({"docker_env_vars": {"GIVEN": value}}))
    result = host.run(*MODEL_RUN, "demo_env", "--additional-context-file", "context.json")
    assert (host.rows()[0]["status"] == "SUCCESS") is good
    assert (f'"GIVEN": {json.dumps(value)}' in result.out) is good
    assert not (host.mad / "x").exists()


@BOTH
def test_output_when_a_bar_is_drawn_then_lines_come_of_it(make_host: Callable[..., Host], version: str) -> None:
    """Carriage returns become newlines, long lines stay whole, and madengine goes on after a line without an end."""
    lines = make_host(version).run(*MODEL_RUN, "demo_progress").out.splitlines()
    assert "step 7/20" in lines
    assert f"long line: {'x' * 1048576}" in lines
    assert any(line.startswith("the end, without a newlineTest Duration: ") for line in lines)


@BOTH
def test_output_when_raw_is_wanted_then_bytes_pass_unchanged(make_host: Callable[..., Host], version: str) -> None:
    """With MADENGINE_STANDIN_RAW the stand-in is no longer like the real tool: it passes bytes on as they are."""
    host = make_host(version)
    process = host.start(*MODEL_RUN, "demo_bytes", env={"MADENGINE_STANDIN_RAW": "1"})
    assert process.wait(60) == 0
    assert b"latin-1: caf\xe9, and all ones: \xff\n" in (host.mad / "out").read_bytes()
    host.finish(host.start(*MODEL_RUN, "demo_progress", env={"MADENGINE_STANDIN_RAW": "1"}))
    assert b"\rstep 1/20\rstep 2/20" in (host.mad / "out").read_bytes()


@BOTH
@pytest.mark.parametrize(
    ("unbuffered", "live"), [pytest.param("", False, id="plain"), pytest.param("1", True, id="unbuffered")]
)
def test_output_when_stdout_is_a_file_then_live_only_unbuffered(
    make_host: Callable[..., Host], version: str, unbuffered: str, *, live: bool
) -> None:
    """The log is always live; stdout only with PYTHONUNBUFFERED, as with the real tools."""
    host = make_host(version)
    process = host.start(*MODEL_RUN, "demo_sleep", env={"PYTHONUNBUFFERED": unbuffered})
    wait_for(lambda: any("tick 1 of" in log.read_text() for log in host.mad.glob("*.live.log")), "the first tick")
    if live:
        wait_for(lambda: "tick 1 of" in (host.mad / "out").read_text(), "the first tick on stdout")
    else:
        time.sleep(0.2)
        assert "tick 1 of" not in (host.mad / "out").read_text()
    process.send_signal(signal.SIGINT)
    host.finish(process)
