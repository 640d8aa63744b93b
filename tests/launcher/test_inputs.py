# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that settings name: keys, passwords, variables, inventories."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from madlaunch.errors import SettingError
from madlaunch.inputs import Password, inventory_sources, read_env_file, read_key, read_password
from madlaunch.secrets import Secret
from tests.launcher.settling import settle

if TYPE_CHECKING:
    from pathlib import Path

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"


def _write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


# --- the key --------------------------------------------------------------------------------------------------------


def test_key_when_named_from_home_then_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~/.ssh/id_rsa, as in the README, also where no shell expands it; a relative path starts here."""
    monkeypatch.setenv("HOME", str(tmp_path))
    key = _write(tmp_path / "my key", KEY)
    assert read_key(settle(ssh_key="~/my key"), tmp_path / "elsewhere") == key
    assert read_key(settle(ssh_key="my key"), tmp_path) == key
    assert read_key(settle(), tmp_path) is None


@pytest.mark.parametrize(
    ("file", "problem", "next_step"),
    [
        (("absent", None, 0), "'{path}' cannot be read: No such file or directory", "correct --ssh-key;"),
        (("open", KEY, 0o644), "others can read '{path}' (mode 0644), so ssh refuses it", "chmod 600 {path}"),
        (("id.pub", "ssh-rsa AAAA\n", 0o600), "'{path}' is the public half of a key", "name the private half"),
        (("id.ppk", "PuTTY-User-Key-File-3: x\n", 0o600), "'{path}' is a key of PuTTY", "puttygen {path} -O private"),
        (("readme", "my key\n", 0o600), "'{path}' holds no private key", "correct --ssh-key;"),
        (("empty", "", 0o600), "'{path}' holds no private key", "correct --ssh-key;"),
        (("a%h", KEY, 0o600), "the path '{path}' contains '%', which ssh would not take as it is", "move the key"),
    ],
    ids=["missing", "permissions", "public", "putty", "text", "empty", "percent"],
)
def test_key_when_ssh_could_not_use_it_then_refused_before_anything(
    tmp_path: Path, file: tuple[str, str | None, int], problem: str, next_step: str
) -> None:
    """The file is named, and what to do about it."""
    name, text, mode = file
    path = tmp_path / name
    if text is not None:
        _write(path, text, mode)
    with pytest.raises(SettingError) as caught:
        read_key(settle(ssh_key=str(path)), tmp_path)
    assert caught.value.problem == f"--ssh-key: {problem.format(path=path)} (from the command line)"
    assert caught.value.next_step.startswith(next_step.format(path=path))


def test_key_when_it_is_a_directory_then_refused(tmp_path: Path) -> None:
    """A folder is no key."""
    with pytest.raises(SettingError, match="cannot be read: Is a directory"):
        read_key(settle(ssh_key=str(tmp_path)), tmp_path)


# --- the password ---------------------------------------------------------------------------------------------------


def test_password_when_on_the_command_line_then_warns_once(tmp_path: Path) -> None:
    """It works, and the user learns who can see it."""
    made = read_password(settle(ssh_password="mypassword"), tmp_path, None)
    assert made.secret == Secret("mypassword")
    (note,) = made.notes
    assert note == (
        "--ssh-password is visible in the process list of this machine; prefer --ask-pass, --ssh-password-file "
        "or the environment variable MADLAUNCH_SSH_PASSWORD"
    )


def test_password_when_from_the_environment_then_no_warning(tmp_path: Path) -> None:
    """The other ways are silent."""
    made = read_password(settle({"MADLAUNCH_SSH_PASSWORD": "p w'\"$`é"}), tmp_path, None)
    assert made == Password(Secret("p w'\"$`é"))


@pytest.mark.parametrize("text", ["p w", "p w\n", "p w\r\n", "p w\nrest\n"], ids=["bare", "newline", "crlf", "more"])
def test_password_when_from_a_file_then_its_first_line_counts(tmp_path: Path, text: str) -> None:
    """Only the end of the line is cut; a blank at the end stays."""
    (tmp_path / "pw").write_bytes(text.encode())
    (tmp_path / "pw").chmod(0o600)
    assert read_password(settle(ssh_password_file="pw"), tmp_path, None) == Password(Secret("p w"))


def test_password_when_its_file_is_open_to_others_then_told(tmp_path: Path) -> None:
    """The file is used all the same: a mounted secret cannot always be changed."""
    path = _write(tmp_path / "pw", "x\n", 0o644)
    made = read_password(settle(ssh_password_file=str(path)), tmp_path, None)
    assert made.notes == (f"{path} holds a password and others can read it (mode 0644): chmod 600 {path}",)


def test_password_when_in_a_config_file_open_to_others_then_told(tmp_path: Path) -> None:
    """A password in launch.yml is as visible as the file."""
    path = _write(tmp_path / "launch.yml", "ssh_password: x\n", 0o640)
    settings = settle({}, tmp_path, config="launch.yml")
    assert read_password(settings, tmp_path, None).notes == (
        f"{path} holds a password and others can read it (mode 0640): chmod 600 {path}",
    )


def test_password_when_asked_for_then_what_was_typed_counts(tmp_path: Path) -> None:
    """Nothing is asked in a dry run."""
    assert read_password(settle(ask_pass="yes"), tmp_path, lambda: "typed") == Password(Secret("typed"))
    assert read_password(settle(ask_pass="yes"), tmp_path, None) == Password()


def test_password_when_there_is_no_terminal_then_the_other_ways_are_told(tmp_path: Path) -> None:
    """In a batch job nobody can be asked."""

    def ask() -> str:
        raise OSError

    with pytest.raises(SettingError) as caught:
        read_password(settle(ask_pass="yes"), tmp_path, ask)
    assert caught.value.next_step == "use --ssh-password-file or the environment variable MADLAUNCH_SSH_PASSWORD"


def test_password_when_given_twice_from_one_source_then_refused(tmp_path: Path) -> None:
    """It is not guessed which one is meant."""
    with pytest.raises(SettingError, match="given twice, here and with --ask-pass"):
        read_password(settle(ssh_password="x", ask_pass="yes"), tmp_path, lambda: "y")


def test_password_when_given_by_two_sources_then_the_flag_wins(tmp_path: Path) -> None:
    """A password in the environment does not stand in the way of --ask-pass."""
    settings = settle({"MADLAUNCH_SSH_PASSWORD": "environment"}, ask_pass="yes")
    assert read_password(settings, tmp_path, lambda: "typed") == Password(Secret("typed"))


@pytest.mark.parametrize("text", ["", "\n", "a\tb\n"], ids=["empty", "blank", "tab"])
def test_password_when_its_file_has_none_then_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    """The file is named, its content is not."""
    _write(tmp_path / "pw", text)
    with pytest.raises(SettingError, match=r"--ssh-password-file: .*pw': the password") as caught:
        read_password(settle(ssh_password_file="pw"), tmp_path, None)
    assert "a\tb" not in str(caught.value)


# --- variables and inventories --------------------------------------------------------------------------------------


def test_env_file_when_read_then_values_are_taken_literally(tmp_path: Path) -> None:
    """As docker reads it: quotes, blanks, '#' and '=' in a value belong to it."""
    text = "# comment\n\nA=1\n  B='two words' \nC=x=y # no comment\nD=\nE=é$HOME\r\n"
    _write(tmp_path / "job.env", text)
    found = read_env_file(settle(env_file="job.env"), tmp_path)
    assert {name: secret.reveal() for name, secret in found.items()} == {
        "A": "1",
        "B": "'two words' ",
        "C": "x=y # no comment",
        "D": "",
        "E": "é$HOME",
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [("TOKEN", "there is no '=' in it"), ("1A=hidden", "'1A' is not the name"), ("A=hidden\0", "the value of A")],
    ids=["no-value", "name", "nul"],
)
def test_env_file_when_a_line_is_bad_then_its_number_is_told_and_no_value(
    tmp_path: Path, line: str, reason: str
) -> None:
    """The values are secrets, in errors too."""
    _write(tmp_path / "job.env", f"# one\n{line}\n")
    with pytest.raises(SettingError, match="line 2: " + re.escape(reason)) as caught:
        read_env_file(settle(env_file="job.env"), tmp_path)
    assert "hidden" not in str(caught.value)


def test_inventory_when_a_file_or_a_list_then_passed_on(tmp_path: Path) -> None:
    """Files become absolute, because Ansible runs elsewhere; a list with a comma stays."""
    (tmp_path / "hosts.yml").touch()
    (tmp_path / "-odd").touch()
    sources = inventory_sources(settle(inventory=("hosts.yml", "a,b", "c,", "./-odd")), tmp_path)
    assert sources == (str(tmp_path / "hosts.yml"), "a,b", "c,", str(tmp_path / "-odd"))


def test_inventory_when_missing_then_refused_by_name(tmp_path: Path) -> None:
    """A name without a comma that is no file is a slip."""
    with pytest.raises(SettingError) as caught:
        inventory_sources(settle(inventory="node1"), tmp_path)
    assert caught.value.problem == f"--inventory: there is no file '{tmp_path}/node1' (from the command line)"
    assert caught.value.next_step == "name an inventory, or use --nodes; a list of one host is 'node1,'"
