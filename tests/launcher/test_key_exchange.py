# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which ssh tries key exchanges."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from madlaunch.key_exchange import VARIABLE, environment_of, quick_first
from madlaunch.request import PlayRequest
from madlaunch.secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path

SLOW = ("sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com")
QUICK = ("curve25519-sha256", "curve25519-sha256@libssh.org")


@pytest.mark.parametrize(
    ("allowed", "ordered"),
    [
        pytest.param((*SLOW, *QUICK, "ecdh-sha2-nistp256"), (*QUICK, *SLOW, "ecdh-sha2-nistp256"), id="openssh_9_2"),
        pytest.param(("mlkem768x25519-sha256", *SLOW, *QUICK), (), id="newer_is_quick_by_itself"),
        pytest.param((*QUICK, "ecdh-sha2-nistp256"), (), id="older_knows_no_slow_one"),
        pytest.param((*SLOW, "ecdh-sha2-nistp256"), (), id="curve25519_is_not_allowed"),
        pytest.param((*QUICK, *SLOW), (), id="already_in_order"),
        pytest.param(("ecdh-sha2-nistp256", SLOW[0], QUICK[0]), ("ecdh-sha2-nistp256", QUICK[0], SLOW[0]), id="mixed"),
        pytest.param((), (), id="ssh_did_not_say"),
    ],
)
def test_quick_first_when_ssh_allows_these_then_only_the_order_changes(
    allowed: tuple[str, ...], ordered: tuple[str, ...]
) -> None:
    """Nothing is added, nothing is taken out, and what needs no change is left to ssh."""
    assert quick_first(allowed) == ordered
    assert not ordered or sorted(ordered) == sorted(allowed)


def request_with(inventory: dict[str, Any], environment: dict[str, str]) -> PlayRequest:
    """Return a request of which only the nodes and the words for ssh matter."""
    return PlayRequest(
        playbook="launch.yml",
        inventory=inventory,
        inventory_sources=(),
        limit=None,
        extra_vars={},
        forks=5,
        secrets=Secrets(None, {}),
        check_mode=False,
        environment=environment,
        run_id="r",
        record_dir=None,  # type: ignore[arg-type] # not read here
    )


@pytest.fixture(name="asked")
def _asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an `ssh` in front that writes down what it was asked, and answers as OpenSSH 9.2 does."""
    program = tmp_path / "ssh"
    lines = f"gssapikexalgorithms gss-gex-sha1-\nkexalgorithms {','.join((*SLOW, *QUICK))}"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/asked\necho "{lines}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "asked"


def test_environment_when_nodes_are_named_then_ssh_is_asked_with_their_words(asked: Path) -> None:
    """A configuration file that the user names counts, and so does what is set for the node."""
    hosts = {"a": {"ansible_host": "198.18.0.1"}, "b": {"ansible_host": "198.18.0.2"}}
    variables = {"ansible_ssh_args": "-F 'my file' -o ControlMaster=auto"}
    found = environment_of(request_with({"all": {"hosts": hosts, "vars": variables}}, {}))
    assert found == {VARIABLE: f"-o KexAlgorithms={','.join((*QUICK, *SLOW))}"}
    assert asked.read_text().splitlines() == ["-F", "my file", "-o", "ControlMaster=auto", "-G", "--", "198.18.0.1"]


def test_environment_when_an_inventory_knows_the_nodes_then_ssh_is_asked_in_general(asked: Path) -> None:
    """The words are in the environment then."""
    environment_of(request_with({"all": {"vars": {}}}, {"ANSIBLE_SSH_ARGS": "-o BatchMode=yes"}))
    assert asked.read_text().splitlines() == ["-o", "BatchMode=yes", "-G", "--", "madlaunch.invalid"]


def test_environment_when_the_user_orders_them_then_nothing_is_changed() -> None:
    """The real ssh takes the words that came first, ours would be the last."""
    words = "-F none -o KexAlgorithms=ecdh-sha2-nistp256"
    assert environment_of(request_with({"all": {"vars": {"ansible_ssh_args": words}}}, {})) == {}


def test_environment_when_there_is_no_ssh_then_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible says that it is missing."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert environment_of(request_with({"all": {}}, {})) == {}


def test_real_ssh_when_given_the_order_then_takes_it() -> None:
    """The option is one that ssh understands, whatever its version."""
    given = environment_of(request_with({"all": {}}, {"ANSIBLE_SSH_ARGS": "-F none"})).get(VARIABLE, "")
    done = subprocess.run(
        ["ssh", "-F", "none", *given.split(), "-G", "--", "nowhere"], capture_output=True, text=True, check=True
    )
    order = next(line for line in done.stdout.splitlines() if line.startswith("kexalgorithms ")).split()[1].split(",")
    assert quick_first(order) == ()
