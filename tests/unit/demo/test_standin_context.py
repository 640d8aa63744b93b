# SPDX-License-Identifier: GPL-3.0-or-later
"""How the stand-in reads contexts and builds runners. Expected strings were read off the real tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from standin import gpus, v1_context, v2_context, v2_environment
from standin.v2_errors import ExitError

if TYPE_CHECKING:
    from pathlib import Path

RUNNER_V1 = (
    "NCCL_SOCKET_IFNAME=ens14np0 GLOO_SOCKET_IFNAME=ens14np0 torchrun"
    " --nproc_per_node 8 --nnodes 2 --node_rank 1 --master_addr 10.0.0.1 --master_port 4000"
)
SEED = {
    "RUNNER": "torchrun",
    "NNODES": 2,
    "NODE_RANK": 1,
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": 4000,
    "NCCL_SOCKET_IFNAME": "ens14np0",
    "GLOO_SOCKET_IFNAME": "ens14np0",
}


@pytest.fixture(autouse=True)
def _eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "count", lambda: 8)


def runner(settings: dict[str, Any]) -> str:
    """The runner string of v1 for some multi_node_args."""
    context = v1_context.make(repr({"multi_node_args": settings}), None)
    return str(context["docker_env_vars"]["MAD_MULTI_NODE_RUNNER"])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(SEED, RUNNER_V1, id="as-the-seed-sends-it"),
        pytest.param({**SEED, "RUNNER": "Torchrun"}, RUNNER_V1, id="any-other-word-is-torchrun"),
        pytest.param(
            {},
            "NCCL_SOCKET_IFNAME= GLOO_SOCKET_IFNAME= torchrun"
            " --nproc_per_node 8 --nnodes 1 --node_rank 0 --master_addr localhost --master_port 6006",
            id="defaults-with-empty-interfaces",
        ),
        pytest.param(
            {**SEED, "RUNNER": "mpirun"},
            "NCCL_SOCKET_IFNAME=ens14np0 GLOO_SOCKET_IFNAME=ens14np0 mpirun -np 16 --host localhost:8",
            id="mpirun",
        ),
        pytest.param(
            {**SEED, "RUNNER": "mpirun", "NNODES": "2"},
            "NCCL_SOCKET_IFNAME=ens14np0 GLOO_SOCKET_IFNAME=ens14np0 mpirun -np 22222222 --host localhost:8",
            id="mpirun-with-text-for-a-number",
        ),
    ],
)
def test_v1_runner_when_given_settings_then_is_the_real_string(settings: dict[str, Any], expected: str) -> None:
    """The string is built as in v1, slips included."""
    assert runner(settings) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param('{"x": true}', ValueError, id="json-true-is-no-python"),
        pytest.param("{'x': ", SyntaxError, id="unfinished"),
        pytest.param("[1]", AttributeError, id="list"),
    ],
)
def test_v1_context_when_no_literal_dictionary_then_uncaught(text: str, error: type[Exception]) -> None:
    """V1 takes Python literals only and lets the exception end the program."""
    with pytest.raises(error):
        v1_context.make(text, None)


def test_v1_context_when_file_and_text_then_merged_deeply(tmp_path: Path) -> None:
    """The command line changes single values of the file; the runner given as a variable is overwritten."""
    file = tmp_path / "context.json"
    file.write_text(json.dumps({"multi_node_args": SEED, "docker_env_vars": {"A": True, "MAD_MULTI_NODE_RUNNER": "x"}}))
    context = v1_context.make("{'multi_node_args': {'NODE_RANK': 0}, 'docker_env_vars': {'B': 2}}", str(file))
    variables = context["docker_env_vars"]
    assert (variables["A"], variables["B"]) == (True, 2)
    assert variables["MAD_MULTI_NODE_RUNNER"] == RUNNER_V1.replace("--node_rank 1", "--node_rank 0")


def test_v2_context_when_file_and_text_then_merged_by_whole_keys(tmp_path: Path) -> None:
    """The command line replaces a key of the file with all that is in it, and defaults are added."""
    file = tmp_path / "context.json"
    file.write_text(json.dumps({"docker_env_vars": {"A": "1"}, "gpus_per_node": 8}))
    assert v2_context.make("{'docker_env_vars': {'B': '2'}}", str(file)) == {
        "docker_env_vars": {"B": "2"},
        "gpus_per_node": 8,
        "gpu_vendor": "AMD",
        "guest_os": "UBUNTU",
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{bad", id="neither-json-nor-python"),
        pytest.param('"text"', id="scalar"),
        pytest.param('{"docker_env_vars": 3}', id="variables-no-object"),
        pytest.param('{"docker_mounts": []}', id="mounts-no-object"),
        pytest.param('{"docker_build_arg": {"A": []}}', id="build-argument-a-list"),
        pytest.param('{"docker_env_vars": {"ROCM_PATH": 1}}', id="rocm-path-no-text"),
        pytest.param('{"gpu_vendor": "X"}', id="vendor"),
        pytest.param('{"guest_os": "DEBIAN"}', id="guest"),
        pytest.param('{"timeout": "1"}', id="timeout-text"),
        pytest.param('{"log_error_patterns": []}', id="no-patterns"),
        pytest.param('{"distributed": []}', id="distributed-no-object"),
    ],
)
def test_v2_context_when_wrong_then_exit_4(text: str) -> None:
    """Wrong types of known keys are refused with exit code 4."""
    with pytest.raises(ExitError) as caught:
        v2_context.make(text, None)
    assert caught.value.code == 4


@pytest.mark.parametrize(
    ("context", "card", "environment", "expected"),
    [
        pytest.param({}, {}, {}, "torchrun --standalone --nproc_per_node=4", id="alone-when-not-given"),
        pytest.param({}, {}, {"MAD_MULTI_NODE_RUNNER": "P"}, "P", id="of-the-process"),
        pytest.param(
            {"docker_env_vars": {"MAD_MULTI_NODE_RUNNER": "C"}},
            {},
            {"MAD_MULTI_NODE_RUNNER": "P"},
            "C",
            id="context-wins",
        ),
        pytest.param({"distributed": {"launcher": "deepspeed"}}, {}, {}, "deepspeed --num_gpus=4", id="deepspeed"),
        pytest.param({}, {"distributed": {"launcher": "vllm"}}, {}, None, id="vllm-has-none"),
        pytest.param({}, {}, {"MAD_LAUNCHER": "primus"}, None, id="primus-has-none"),
        pytest.param(
            {"distributed": {"launcher": "odd"}},
            {},
            {},
            "torchrun --standalone --nproc_per_node=4",
            id="unknown-launcher",
        ),
    ],
)
def test_v2_runner_when_not_given_then_trains_alone(
    monkeypatch: pytest.MonkeyPatch,
    context: dict[str, Any],
    card: dict[str, Any],
    environment: dict[str, str],
    expected: str | None,
) -> None:
    """V2 makes up a single-node runner unless the context or its own environment has one."""
    monkeypatch.delenv("MAD_MULTI_NODE_RUNNER", raising=False)
    monkeypatch.delenv("MAD_LAUNCHER", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    variables = v2_environment.container_variables({}, context, card, 4)
    assert variables.get("MAD_MULTI_NODE_RUNNER") == expected


def test_v2_environment_when_set_in_the_process_then_only_the_known_names_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixed list passes, other names do not, and the context beats the process."""
    for name in (*v2_environment.FROM_PROCESS, "NCCL_IB_HCA", "GPUS_PER_NODE", "MY_MAD_SECRETS"):
        monkeypatch.setenv(name, "process")
    given = {"NCCL_DEBUG": "context", "OTHER": "context"}
    variables = v2_environment.container_variables(dict(given), {"docker_env_vars": given}, {}, 2)
    assert variables == {
        **dict.fromkeys(v2_environment.FROM_PROCESS, "process"),
        **given,
        "MY_MAD_SECRETS": "process",
        "RAY_EXPERIMENTAL_NOSET_HIP_VISIBLE_DEVICES": "",
        "MAD_GUEST_OS": "UBUNTU",
        "ROCM_PATH": "/opt/rocm",
        "MAD_RUNTIME_NGPUS": 2,
    }
