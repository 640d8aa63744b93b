# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of one rank: whole command lines, environments and files for madengine v1 and v2."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _command

PLAN: dict[str, Any] = {
    "model": "pyt_megatron_lm_train_llama2_7b",
    "nnodes": 2,
    "master_addr": "192.168.0.1",
    "master_port": 4000,
    "timeout_s": 3600,
    "runner": "torchrun",
    "additional_args": [],
    "container_env": {},
    "madengine_version": "auto",
}
HOST: dict[str, Any] = {
    "host": "node2",
    "node_rank": 1,
    "nccl_interface": "ens14np0",
    "gloo_interface": "ens14np0",
    "shared_data_path": "/nfs/data",
    "madengine_path": "madengine",
    "nproc_per_node": 8,
}
STANDARD = {
    "MASTER_ADDR": "192.168.0.1",
    "MASTER_PORT": "4000",
    "NNODES": "2",
    "NODE_RANK": "1",
    "NPROC_PER_NODE": "8",
    "NCCL_SOCKET_IFNAME": "ens14np0",
    "GLOO_SOCKET_IFNAME": "ens14np0",
}
V2_STANDARD = {
    **STANDARD,
    "MAD_MULTI_NODE_RUNNER": (
        "torchrun --nnodes=2 --nproc_per_node=8 --node_rank=1 --master_addr=192.168.0.1 --master_port=4000"
    ),
    "TORCH_ELASTIC_RDZV_TIMEOUT": "3600",
}
PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "COLUMNS": "200"}


def build(major: int, plan: dict[str, Any] | None = None, host: dict[str, Any] | None = None) -> _command.Command:
    """Build with the standard request, changed in parts."""
    return _command.build({**PLAN, **(plan or {})}, {**HOST, **(host or {})}, major)


def test_build_v1_gives_the_pattern_of_the_ssh_runner() -> None:
    """The keys come in the known order as strings, and the same values once more for the container."""
    context = (
        "{'multi_node_args': {'RUNNER': 'torchrun', 'MASTER_ADDR': '192.168.0.1', 'MASTER_PORT': '4000', "
        "'NNODES': '2', 'NODE_RANK': '1', 'NCCL_SOCKET_IFNAME': 'ens14np0', 'GLOO_SOCKET_IFNAME': 'ens14np0', "
        "'MAD_RUNTIME_NGPUS': '8'}, 'docker_env_vars': {'MASTER_ADDR': '192.168.0.1', 'MASTER_PORT': '4000', "
        "'NNODES': '2', 'NODE_RANK': '1', 'NPROC_PER_NODE': '8', 'NCCL_SOCKET_IFNAME': 'ens14np0', "
        "'GLOO_SOCKET_IFNAME': 'ens14np0'}}"
    )
    argv: tuple[str, ...] = (
        "madengine",
        "run",
        "--tags",
        "pyt_megatron_lm_train_llama2_7b",
        "--additional-context",
        context,
    )
    argv += ("--force-mirror-local", "/nfs/data", "--live-output", "--timeout", "3600")
    assert build(1) == _command.Command(argv, PYTHON, ast.literal_eval(context))


def test_build_v2_gives_variables_and_a_context_file() -> None:
    """What makes the run multi-node is in the environment and in the context file."""
    context = {
        "docker_env_vars": {**V2_STANDARD, "MAD_COLLECT_METRICS": "false"},
        "gpus_per_node": 8,
        "distributed": {"launcher": "torchrun", "nnodes": 2, "nproc_per_node": 8},
    }
    argv: tuple[str, ...] = ("madengine", "run", "--tags", "pyt_megatron_lm_train_llama2_7b")
    argv += ("--additional-context-file", "context.json", "--summary-output", "summary.json")
    argv += ("--force-mirror-local", "/nfs/data", "--live-output", "--timeout", "3600")
    env = {**PYTHON, **V2_STANDARD, "MAD_COLLECT_METRICS": "false"}
    assert build(2) == _command.Command(argv, env, context, {"context.json": context}, (5, 7))


def test_build_v2_tells_madengine_on_every_rank_not_to_miss_metrics_and_the_container_that_rank_0_collects() -> None:
    """A missing number is never what the exit code is about; the model still knows who reports."""
    command = build(2, host={"node_rank": 0})
    assert command.context is not None
    assert (command.env["MAD_COLLECT_METRICS"], command.context["docker_env_vars"]["MAD_COLLECT_METRICS"]) == (
        "false",
        "true",
    )


@pytest.mark.parametrize(
    ("major", "timeout_s", "sent"),
    [(1, 7200, "7200"), (2, 7200, "7201"), (2, 7201, "7201"), (1, 0, "0"), (2, 0, "0")],
    ids=["v1", "v2-takes-7200-for-none-given", "v2-other", "v1-no-limit", "v2-no-limit"],
)
def test_build_sends_the_time_limit_when_one_or_none_is_set(major: int, timeout_s: int, sent: str) -> None:
    """The default of two hours never applies."""
    argv = build(major, {"timeout_s": timeout_s}).argv
    assert argv[argv.index("--timeout") + 1] == sent


@pytest.mark.parametrize("major", [1, 2])
def test_build_leaves_out_what_is_empty(major: int) -> None:
    """No interface, no shared path: neither empty variables nor a flag without value."""
    command = build(major, host={"nccl_interface": "", "gloo_interface": "", "shared_data_path": ""})
    assert command.context is not None
    names = {"NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"}
    assert "--force-mirror-local" not in command.argv
    assert not names & (set(command.env) | set(command.context["docker_env_vars"]))
    assert not names & set(command.context.get("multi_node_args", {}))


def test_build_v1_lets_madengine_count_the_gpus_when_the_number_is_unknown() -> None:
    """v1 fills in the GPUs of the system, so nothing is said and nothing is open."""
    command = build(1, host={"nproc_per_node": 0})
    assert command.context is not None
    assert "MAD_RUNTIME_NGPUS" not in command.context["multi_node_args"]
    assert "NPROC_PER_NODE" not in command.context["docker_env_vars"]
    assert command.unresolved == ()


def test_build_marks_what_only_the_host_can_tell() -> None:
    """Placeholders stand for the GPU count and an automatic interface, and are listed so that nobody starts them."""
    command = build(2, host={"nproc_per_node": 0, "gloo_interface": "auto"})
    count, route = "<GPU count of node2>", "<interface of the route from node2 to 192.168.0.1>"
    assert command.unresolved == (count, route)
    assert command.env["GLOO_SOCKET_IFNAME"] == route
    assert f"--nproc_per_node={count} " in command.env["MAD_MULTI_NODE_RUNNER"]


@pytest.mark.parametrize("runner", ["primus", "vllm", "sglang"])
def test_build_v2_sets_no_runner_string_when_the_model_starts_its_own_processes(runner: str) -> None:
    """These models read the standard variables; the launcher's name is still told."""
    command = build(2, {"runner": runner})
    assert command.context is not None
    assert "MAD_MULTI_NODE_RUNNER" not in command.env
    assert "MAD_MULTI_NODE_RUNNER" not in command.context["docker_env_vars"]
    assert command.context["distributed"]["launcher"] == runner


def test_build_v1_keeps_the_users_variables_off_the_command_line() -> None:
    """A secret on a command line could be read by everybody on the node, so it travels in the file."""
    command = build(1, {"container_env": {"HF_TOKEN": "s3cret"}})
    assert command.argv[-2:] == ("--additional-context-file", "context.json")
    assert command.rank_dir_args == (len(command.argv) - 1,)
    assert "s3cret" not in " ".join(command.argv)
    assert command.files == {"context.json": '{\n  "docker_env_vars": {\n    "HF_TOKEN": "s3cret"\n  }\n}\n'}


@pytest.mark.parametrize("major", [1, 2])
def test_build_passes_values_unchanged_when_a_shell_would_act_on_them(major: int) -> None:
    """Whatever is in a variable or an argument arrives as it is."""
    hostile = 'a"b $HOME `id` ; rm\n-x é \\'
    command = build(major, {"container_env": {"X": hostile}, "additional_args": ["--some-extra-flag", hostile]})
    assert command.argv[-2:] == ("--some-extra-flag", hostile)
    assert json.loads(command.files["context.json"])["docker_env_vars"]["X"] == hostile
    assert command.files["context.json"].isascii()


@pytest.mark.parametrize("major", [1, 2])
@pytest.mark.parametrize("form", ["separate", "joined"])
def test_build_merges_a_context_of_the_user_below_the_launch(major: int, form: str) -> None:
    """The user's keys are added, and nothing of the launch is lost."""
    context = "{'SHM_SIZE': '64G', 'docker_env_vars': {'NCCL_DEBUG': 'INFO', 'X': 'lower'}}"
    words = ["--additional-context", context] if form == "separate" else [f"--additional-context={context}"]
    command = build(major, {"additional_args": words, "container_env": {"X": "1"}})
    document = json.loads(command.files["context.json"])
    env = document["docker_env_vars"]
    assert document["SHM_SIZE"] == "64G"
    assert (env["NCCL_DEBUG"], env["X"]) == ("INFO", "1")
    assert context not in command.argv
    assert command.context is not None
    assert command.context["docker_env_vars"]["NODE_RANK"] == "1"


def test_build_v2_reads_the_short_context_flag_with_switches_before_it() -> None:
    """`-lc CONTEXT` is `--live-output --additional-context CONTEXT` to v2."""
    document = json.loads(build(2, {"additional_args": ["-c", '{"debug": true}']}).files["context.json"])
    assert document["debug"] is True
    assert json.loads(build(2, {"additional_args": ["-lc{'a': 1}"]}).files["context.json"])["a"] == 1


@pytest.mark.parametrize(
    ("major", "words", "flag"),
    [
        (1, ["--tags", "other"], "--tags"),
        (1, ["--tag=other"], "--tags"),
        (1, ["--timeo", "5"], "--timeout"),
        (1, ["--additional-context-file", "x.json"], "--additional-context-file"),
        (1, ["-oother.csv"], "--output"),
        (2, ["-t", "other"], "--tags"),
        (2, ["-lvtother"], "--tags"),
        (2, ["-f", "x.json"], "--additional-context-file"),
        (2, ["-s", "x.json"], "--summary-output"),
        (2, ["--force-mirror-local=/x"], "--force-mirror-local"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_build_refuses_an_argument_that_would_replace_the_launchs(major: int, words: list[str], flag: str) -> None:
    """Such an argument would win over what the launch sets, also in its short or shortened form."""
    with pytest.raises(_command.CommandError) as refused:
        build(major, {"additional_args": words})
    assert refused.value.option == "additional_args"
    assert refused.value.message.startswith(f"additional_args has {words[0]!r}")
    assert f"({flag})" in refused.value.message


@pytest.mark.parametrize(
    ("major", "words"),
    [
        (1, ["--some-extra-flag"]),
        (1, ["--clean-docker-cache", "--generate-sys-env-details", "false"]),
        (2, ["-l", "-v", "--manifest-file", "m.json"]),
        (2, ["-mm.json", "--skip-model-run", "word", "--", "-"]),
    ],
    ids=["unknown", "v1", "v2", "v2-short"],
)
def test_build_passes_on_other_arguments_in_order(major: int, words: list[str]) -> None:
    """Everything that does not touch the launch goes to madengine as it is, known or not."""
    assert build(major, {"additional_args": words}).argv[-len(words) :] == tuple(words)


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("[1]", "is a list, not a dictionary"),
        ("{'a': ", "is neither JSON nor a Python literal"),
        ("{'a': {1, 2}}", "is neither JSON nor a Python literal"),
        ("{'slurm': {}}", "has the key 'slurm'"),
        ('{"multi_node_args": {}}', "has the key 'multi_node_args'"),
        ("{'gpus_per_node': 4}", "has the key 'gpus_per_node'"),
        ("{'docker_env_vars': {'NODE_RANK': '0'}}", "sets NODE_RANK, which the launch sets"),
        ("{'docker_env_vars': 3}", "'docker_env_vars' in the --additional-context in additional_args is no dictionary"),
        ("{'distributed': {'launcher': 'slurm_multi'}}", "sets 'launcher' of 'distributed'"),
    ],
    ids=["list", "broken", "set", "slurm", "multi_node_args", "gpus", "env", "env-type", "distributed"],
)
def test_build_refuses_a_context_that_would_undo_the_launch(context: str, said: str) -> None:
    """A key that parts the ranks or sends madengine elsewhere is named."""
    with pytest.raises(_command.CommandError) as refused:
        build(2, {"additional_args": ["--additional-context", context]})
    assert said in refused.value.message


def test_build_refuses_a_context_flag_without_a_value() -> None:
    """The flag as the last word would swallow nothing."""
    with pytest.raises(_command.CommandError, match="ends with --additional-context, which wants a value"):
        build(1, {"additional_args": ["--additional-context"]})


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("nccl_interface", "eth0; id", "is no interface name"),
        ("gloo_interface", "-eth0", "is no interface name"),
        ("shared_data_path", "/nfs/my data", "cannot be passed on by madengine"),
        ("shared_data_path", "nfs", "cannot be passed on by madengine"),
        ("shared_data_path", "/nfs:/x", "cannot be passed on by madengine"),
        ("madengine_path", "-x", "is no program"),
        ("nproc_per_node", -1, "is -1"),
    ],
)
def test_build_refuses_a_host_value_that_would_not_arrive(option: str, value: object, said: str) -> None:
    """These values reach a shell unquoted inside madengine or its container."""
    with pytest.raises(_command.CommandError) as refused:
        build(1, host={option: value})
    assert (refused.value.option, said in refused.value.message) == (option, True)


@pytest.mark.parametrize("value", ["ib0", "eth0,eth1", "^docker0,lo", "=ib0", "bond0.100", "enp1s0f0@if2"])
def test_build_takes_every_form_of_interface_that_nccl_knows(value: str) -> None:
    """Lists, exclusions and exact names are NCCL's own syntax."""
    assert build(2, host={"nccl_interface": value}).env["NCCL_SOCKET_IFNAME"] == value


@pytest.mark.parametrize(
    ("changes", "option", "said"),
    [
        ({"model": ""}, "model", "is no tag"),
        ({"model": "--version"}, "model", "is no tag"),
        ({"model": "a\0b"}, "model", "is no tag"),
        ({"master_addr": "a b"}, "master_addr", "is no host name or address"),
        ({"master_addr": "-a"}, "master_addr", "is no host name or address"),
        ({"timeout_s": -1}, "timeout_s", "is -1"),
        ({"runner": "mpirun"}, "runner", "it starts the processes of all nodes itself"),
        ({"runner": "slurm_multi"}, "runner", "outside any container"),
        ({"runner": "sglang-disagg"}, "runner", "a different role for each"),
        ({"runner": "Torchrun"}, "runner", "is not known"),
        ({"container_env": {"A-B": "1"}}, "container_env", "no variable name: 'A-B'"),
        ({"container_env": {"RUN": "a\udc80"}}, "container_env", "the value of RUN in container_env is no text"),
        ({"container_env": {"NNODES": "9"}}, "container_env", "sets NNODES, which the launch sets"),
        ({"additional_args": ["a\0"]}, "additional_args", "no text"),
        ({"additional_args": ["--tags"]}, "additional_args", "has '--tags'"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value),
)
def test_validate_refuses_before_any_host_is_contacted(changes: dict[str, Any], option: str, said: str) -> None:
    """What neither version could carry out is refused, with the option and a next step."""
    with pytest.raises(_command.CommandError) as refused:
        _command.validate({**PLAN, **changes})
    assert (refused.value.option, said in refused.value.message, bool(refused.value.hint)) == (option, True, True)


@pytest.mark.parametrize(
    ("version", "refused"), [("1", True), ("2", False), ("auto", False)], ids=["v1", "v2", "auto-may-be-v2"]
)
def test_validate_refuses_a_single_quote_when_the_version_is_1(version: str, refused: bool) -> None:  # noqa: FBT001 - a case
    """v1 writes '...' around the value in a shell command; the message names the variable and not its value."""
    plan = {**PLAN, "madengine_version": version, "container_env": {"TOKEN": "s3'cret"}}
    if not refused:
        _command.validate(plan)
        return
    with pytest.raises(_command.CommandError) as error:
        _command.validate(plan)
    message = "the value of TOKEN in container_env has a single quote, which madengine v1 cannot pass on."
    assert error.value.message == message
    assert "cret" not in str(error.value)


def test_build_refuses_a_version_that_nobody_knows() -> None:
    """A madengine 3 may want anything."""
    with pytest.raises(_command.CommandError, match="madengine 3 is not known"):
        build(3)


@pytest.mark.parametrize("major", [1, 2])
def test_masked_hides_the_values_of_secrets_and_nothing_else(major: int) -> None:
    """Only the secret values differ from the command that runs."""
    command = build(major, {"container_env": {"TOKEN": "s3cret", "OPEN": "seen"}})
    masked = _command.masked(command, ["TOKEN"])
    document = json.loads(masked.files["context.json"])
    assert document["docker_env_vars"]["TOKEN"] == "***"
    document["docker_env_vars"]["TOKEN"] = "s3cret"
    assert document == command.documents["context.json"]
    assert "s3cret" not in repr(masked)
    assert masked.argv == command.argv


def test_display_is_the_command_as_one_would_type_it() -> None:
    """The context stands in double quotes, as in the runner that people know."""
    text = _command.display(build(1, host={"nproc_per_node": 0, "shared_data_path": ""}))
    assert text.startswith(
        "madengine run --tags pyt_megatron_lm_train_llama2_7b "
        "--additional-context \"{'multi_node_args': {'RUNNER': 'torchrun', "
    )
    assert tuple(shlex.split(text)) == build(1, host={"nproc_per_node": 0, "shared_data_path": ""}).argv


def test_display_stays_on_one_line_when_an_argument_has_control_characters() -> None:
    """Neither a newline nor an escape sequence reaches the terminal."""
    command = replace(build(2), argv=("madengine", "a\nb\x1b[31m'\\", "it's $5"))
    assert _command.display(command) == (r"""madengine $'a\U0000000ab\U0000001b[31m\'\\' 'it'"'"'s $5'""")


def test_script_gives_the_template_what_it_needs() -> None:
    """Each word carries whether it lies in the rank's directory and how it reads best."""
    command = _command.Command(("madengine", "x.json", "it's"), {"A": "1"}, None, {}, (1,))
    facts = {"run_id": "r", "node_rank": 1, "nnodes": 2, "host": "node2", "work_dir": ""}
    assert _command.script(command, facts) == {
        **facts,
        "env": {"A": "1"},
        "argv": [
            {"text": "madengine", "in_rank_dir": False, "double_quotes": False},
            {"text": "x.json", "in_rank_dir": True, "double_quotes": False},
            {"text": "it's", "in_rank_dir": False, "double_quotes": True},
        ],
    }
