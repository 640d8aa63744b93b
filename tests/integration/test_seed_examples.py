# SPDX-License-Identifier: GPL-3.0-or-later
"""The usage examples of the SSH runner that came before, word for word; only run.py reads launcher.py.

Their hosts must never be contacted, so they run with --dry-run.
"""

from __future__ import annotations

import ast
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.dry_running import dry_run
from tests.integration.rank_files import command_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.dry_running import DryRun


BASIC = r"""
python run.py --model pyt_megatron_lm_train_llama2_7b \
              --nodes 192.168.1.1,192.168.1.2 \
              --master-addr 192.168.0.1 \
              --ssh-user ubuntu \
              --ssh-key ~/.ssh/id_rsa \
              --shared-data-path /nfs/data
"""
WITH_PASSWORD = r"""
python run.py --model pyt_megatron_lm_train_llama2_7b \
              --nodes node1.cluster.com,node2.cluster.com \
              --ssh-user root \
              --ssh-password mypassword \
              --shared-data-path /shared/data
"""
ADVANCED = r"""
python run.py --model pyt_megatron_lm_train_llama2_7b \
              --nodes 192.168.1.10,192.168.1.11,192.168.1.12 \
              --master-addr 192.168.1.10 \
              --master-port 5000 \
              --ssh-user mluser \
              --ssh-key /home/user/.ssh/cluster_key \
              --shared-data-path /mnt/nfs/datasets \
              --nccl-interface eth0 \
              --gloo-interface eth0 \
              --timeout 7200 \
              --additional-args "--some-extra-flag"
"""


@dataclass(frozen=True)
class Expected:
    """What an example asks for."""

    hosts: tuple[str, ...]
    user: str
    master: tuple[str, str]
    shared: str = "/nfs/data"
    interface: str = "ens14np0"
    timeout: str = "3600"
    more: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


def _words(example: str) -> list[str]:
    """The words behind `run.py`, as a shell makes them; `~` becomes the home, which the launcher does as well."""
    words = shlex.split(example.replace("\\\n", " "))
    assert words[:2] == ["python", "run.py"]
    return words[2:]


def _key(path: Path) -> str:
    """Make a private key file."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    path.chmod(0o600)
    return str(path)


def _assert_carried_out(done: DryRun, expected: Expected) -> None:
    """Compare plan and commands of both versions of madengine with what was asked for."""
    assert done.returncode == 0, done.stdout + done.stderr
    (plan,) = [event["plan"] for event in done.of("plan")]
    assert plan["hosts"] == {host: {"node_rank": rank, "address": host} for rank, host in enumerate(expected.hosts)}
    given = {row["name"]: row["value"] for event in done.of("begin") for row in event["settings"]}
    assert given["ssh_user"] == expected.user
    assert given.items() >= expected.settings.items()
    for rank in range(len(expected.hosts)):
        _assert_v1(command_of(done.script(rank, "1")), rank, expected)
        script = done.script(rank, "2")
        assert f"\nexport MASTER_ADDR={expected.master[0]}\nexport MASTER_PORT={expected.master[1]}\n" in script
        assert f"\nexport NNODES={len(expected.hosts)}\nexport NODE_RANK={rank}\n" in script
        words = command_of(script)
        assert words[:4] == ["madengine", "run", "--tags", "pyt_megatron_lm_train_llama2_7b"]
        assert words[8:10] == ["--force-mirror-local", expected.shared]
        # 7200 means "no limit given" to madengine 2.
        assert words[10:13] == ["--live-output", "--timeout", {"7200": "7201"}.get(expected.timeout, expected.timeout)]
        assert words[13:] == list(expected.more)


def _assert_v1(words: list[str], rank: int, expected: Expected) -> None:
    """The pattern of the README: each part of it is there."""
    context: dict[str, Any] = ast.literal_eval(words[5])
    assert context["multi_node_args"] == {
        "RUNNER": "torchrun",
        "MASTER_ADDR": expected.master[0],
        "MASTER_PORT": expected.master[1],
        "NNODES": str(len(expected.hosts)),
        "NODE_RANK": str(rank),
        "NCCL_SOCKET_IFNAME": expected.interface,
        "GLOO_SOCKET_IFNAME": expected.interface,
    }
    assert [*words[:5], *words[6:]] == [
        *("madengine", "run", "--tags", "pyt_megatron_lm_train_llama2_7b", "--additional-context"),
        *("--force-mirror-local", expected.shared, "--live-output", "--timeout", expected.timeout, *expected.more),
    ]


def test_basic_example_when_run_then_is_carried_out(tmp_path: Path) -> None:
    """Two addresses, a master address on another network, the key in the home."""
    key = _key(tmp_path / ".ssh" / "id_rsa")
    done = dry_run(tmp_path, *_words(BASIC), "--output", "json")
    expected = Expected(("192.168.1.1", "192.168.1.2"), "ubuntu", ("192.168.0.1", "4000"))
    _assert_carried_out(done, expected)
    text = dry_run(tmp_path, *_words(BASIC)).stdout
    assert f"      ansible_ssh_private_key_file: {key}\n" in text
    assert "      ansible_user: ubuntu\n" in text


def test_password_example_when_run_then_is_carried_out_and_warns_once(tmp_path: Path) -> None:
    """Names instead of addresses; the password is nowhere in what is shown."""
    done = dry_run(tmp_path, *_words(WITH_PASSWORD), "--output", "json")
    hosts = ("node1.cluster.com", "node2.cluster.com")
    settings = {"ssh_password": "********"}
    _assert_carried_out(done, Expected(hosts, "root", (hosts[0], "4000"), "/shared/data", settings=settings))
    assert done.stderr.count("--ssh-password is visible in the process list") == 1
    assert "mypassword" not in done.stdout + done.stderr


def test_advanced_example_when_the_key_is_not_there_then_it_is_named(tmp_path: Path) -> None:
    """As it stands the example names a key of somebody else's home."""
    key = "/home/user/.ssh/cluster_key"
    done = dry_run(tmp_path, *_words(ADVANCED))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: --ssh-key: {key!r} cannot be read: No such file or directory (from the command line)",
        "allowed: a private key file",
        "next: correct --ssh-key; launcher.py run --help explains it",
    ]


def test_advanced_example_when_the_key_is_there_then_is_carried_out(tmp_path: Path) -> None:
    """Every flag; the value of --additional-args starts with dashes."""
    words = _words(ADVANCED.replace("/home/user/.ssh/cluster_key", _key(tmp_path / "cluster_key")))
    done = dry_run(tmp_path, *words, "--output", "json")
    hosts = ("192.168.1.10", "192.168.1.11", "192.168.1.12")
    expected = Expected(
        hosts,
        "mluser",
        (hosts[0], "5000"),
        shared="/mnt/nfs/datasets",
        interface="eth0",
        timeout="7200",
        more=("--some-extra-flag",),
    )
    _assert_carried_out(done, expected)


@pytest.mark.parametrize("joint", [" ", "="], ids=["two-words", "one-word"])
def test_additional_args_when_it_starts_with_dashes_then_is_a_value(tmp_path: Path, joint: str) -> None:
    """As the table of arguments has it, and the way that careful people write it."""
    given = f"--additional-args{joint}--some-extra-flag".split(" ")
    done = dry_run(tmp_path, "--model", "tag", "--nodes", "a", *given, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert [command_of(done.script(0, version))[-1] for version in ("1", "2")] == ["--some-extra-flag"] * 2
