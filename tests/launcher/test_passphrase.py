# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys with a passphrase: refused when nothing can hold them for ssh, otherwise told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from madlaunch.errors import SettingError
from madlaunch.passphrase import passphrase_notes
from tests.launcher.settling import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSPHRASE = "correct horse"
PATH = os.environ["PATH"]


def make_key(path: Path, passphrase: str) -> Path:
    """Return a new key with this passphrase."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(name="locked", scope="module")
def _locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key with a passphrase, in a folder with a space."""
    return make_key(tmp_path_factory.mktemp("my keys") / "id", PASSPHRASE)


@pytest.fixture(name="agent")
def _agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An agent that holds nothing; the environment that leads to it, and in which passphrases are known."""
    answer = tmp_path / "answer"
    answer.write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
    answer.chmod(0o700)
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it says where it listens once it does
        known = {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
        yield {"PATH": PATH, "SSH_AUTH_SOCK": str(socket), **known}
        process.kill()


def test_key_when_it_has_no_passphrase_then_there_is_nothing_to_say(tmp_path: Path) -> None:
    """The usual key of a cluster, no key at all, and what ssh-keygen does not understand."""
    broken = tmp_path / "broken"
    broken.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    broken.chmod(0o600)
    keys = [None, make_key(tmp_path / "id", ""), broken]
    assert [passphrase_notes(settle(), key, {"PATH": PATH}, may_ask=False) for key in keys] == [(), (), ()]


def test_key_when_it_has_a_passphrase_and_there_is_no_agent_then_it_is_refused(locked: Path) -> None:
    """With the commands that mend it, before any host refuses the login."""
    with pytest.raises(SettingError) as caught:
        passphrase_notes(settle(ssh_key=str(locked)), locked, {"PATH": PATH}, may_ask=False)
    reason = f"--ssh-key: {str(locked)!r} has a passphrase, and there is no agent that holds the key"
    assert caught.value.problem == f"{reason} (from the command line)"
    assert caught.value.next_step == f"eval \"$(ssh-agent)\" && ssh-add '{locked}'"


@pytest.mark.parametrize(
    ("settings", "may_ask"),
    [({}, True), ({"ssh_args": "-o IdentityAgent=/run/agent"}, False)],
    ids=["password-or-inventory", "words-for-ssh"],
)
def test_key_when_the_login_may_do_without_it_then_it_is_only_told(
    locked: Path, settings: dict[str, str], *, may_ask: bool
) -> None:
    """A password may be enough, and ssh may know of another agent."""
    (note,) = passphrase_notes(settle(**settings), locked, {"PATH": PATH}, may_ask=may_ask)
    assert note.startswith(f"{str(locked)!r} has a passphrase, and there is no agent that holds the key: ")


def test_key_when_an_agent_is_there_then_told_until_it_holds_the_key(locked: Path, agent: dict[str, str]) -> None:
    """It is never refused then."""
    notes = passphrase_notes(settle(), locked, agent, may_ask=False)
    assert notes == (f"{locked} has a passphrase, and the agent does not hold it: ssh-add '{locked}'",)
    subprocess.run(["ssh-add", "-q", str(locked)], check=True, env=agent, stdin=subprocess.DEVNULL)
    assert passphrase_notes(settle(), locked, agent, may_ask=False) == ()


def test_key_when_there_is_no_ssh_keygen_then_it_is_left_to_ssh(locked: Path, tmp_path: Path) -> None:
    """What cannot be found out is not held against the key."""
    assert passphrase_notes(settle(), locked, {"PATH": str(tmp_path)}, may_ask=False) == ()
