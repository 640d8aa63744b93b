# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that settings name, read and checked before any host is contacted."""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madlaunch.connection import key_path_problem
from madlaunch.secrets import Secret
from madlaunch.settings_parse import check_password, read_assignment
from madlaunch.settings_table import ASK_PASS, CONFIG, ENV_FILE, INVENTORY, SSH_KEY, SSH_PASSWORD, SSH_PASSWORD_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from madlaunch.settings_model import Setting, Settings

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAX_FILE_BYTES = 4 * 1024 * 1024
_WAYS: tuple[Setting[Any], ...] = (SSH_PASSWORD, ASK_PASS, SSH_PASSWORD_FILE)
_VISIBLE = (
    "--ssh-password is visible in the process list of this machine; prefer --ask-pass, --ssh-password-file "
    f"or the environment variable {SSH_PASSWORD.env_name}"
)


@dataclass(frozen=True)
class Password:
    """The password of a launch, if it has one, and what the user should know about where it came from."""

    secret: Secret | None = None
    notes: tuple[str, ...] = ()


def local_path(text: str, cwd: Path) -> Path:
    """Return an absolute path on this machine; ``~`` and ``~user`` are expanded."""
    return cwd / os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises where this leaves the text alone


def read_key(settings: Settings, cwd: Path) -> Path | None:
    """Return the private key file, None if none is named.

    Raises:
        SettingError: ssh could not use it: it is missing, unreadable, open to others, the public half, or no key.

    """
    if not settings[SSH_KEY]:
        return None
    path = local_path(settings[SSH_KEY], cwd)
    text = _read(settings, SSH_KEY, path)
    problem = key_path_problem(str(path))
    if problem:
        raise settings.refuse(SSH_KEY, problem, next_step="move the key, or name a link to it")
    mode = path.stat()
    if mode.st_uid == os.getuid() and mode.st_mode & _OTHERS:
        reason = f"others can read {str(path)!r} (mode {stat.S_IMODE(mode.st_mode):04o}), so ssh refuses it"
        next_step = f"chmod 600 {shlex.quote(str(path))}"
        raise settings.refuse(SSH_KEY, reason, allowed="a key that only its owner can read", next_step=next_step)
    if text.startswith(("ssh-", "ecdsa-", "sk-")):
        reason = f"{str(path)!r} is the public half of a key"
        raise settings.refuse(SSH_KEY, reason, next_step="name the private half, the file without .pub")
    if "PRIVATE KEY-----" not in text:
        is_of_putty = text.startswith("PuTTY-User-Key-File")
        reason = f"{str(path)!r} is a key of PuTTY" if is_of_putty else f"{str(path)!r} holds no private key"
        quoted = shlex.quote(str(path))
        next_step = f"puttygen {quoted} -O private-openssh -o NEW_FILE, and name that" if is_of_putty else ""
        raise settings.refuse(SSH_KEY, reason, allowed="a private key as ssh-keygen makes it", next_step=next_step)
    return path


def read_password(settings: Settings, cwd: Path, ask: Callable[[], str] | None) -> Password:
    """Return the password; of several ways to give it the stronger source counts (flag, environment, file).

    Args:
        settings: the settled settings.
        cwd: the directory of relative paths.
        ask: asks at the terminal; None where nothing may be asked (a dry run), then there is no password.

    Raises:
        SettingError: two ways from the same source, or a password that ssh cannot take.

    """
    given = [way for way in _WAYS if settings[way]]
    if not given:
        return Password()
    given.sort(key=lambda setting: settings.source(setting).strength, reverse=True)
    chosen = given[0]
    if len(given) > 1 and settings.source(given[1]).strength == settings.source(chosen).strength:
        reason = f"the password is given twice, here and with {given[1].flag}"
        raise settings.refuse(chosen, reason, allowed="one way to give it")
    if chosen.name == ASK_PASS.name:
        return _asked(settings, ask) if ask else Password()
    if chosen.name == SSH_PASSWORD_FILE.name:
        return _password_from_file(settings, cwd)
    return Password(settings[SSH_PASSWORD], _password_notes(settings, cwd))


def _password_notes(settings: Settings, cwd: Path) -> tuple[str, ...]:
    """Return what there is to say about a password that is a value itself."""
    place = settings.source(SSH_PASSWORD).place
    if place == "command line":
        return (_VISIBLE,)
    if settings[CONFIG] and place.startswith(settings[CONFIG]):
        return _open_file_notes(local_path(settings[CONFIG], cwd))
    return ()


def _asked(settings: Settings, ask: Callable[[], str]) -> Password:
    """Return the password that the user typed."""
    try:
        return Password(Secret(check_password(ask())))
    except ValueError as error:
        reason = str(error)
        raise settings.refuse(ASK_PASS, reason, allowed=SSH_PASSWORD.parser.allowed) from None
    except OSError as error:
        reason = "there is no terminal to ask on"
        next_step = f"use {SSH_PASSWORD_FILE.flag} or the environment variable {SSH_PASSWORD.env_name}"
        raise settings.refuse(ASK_PASS, reason, allowed="a terminal", next_step=next_step) from error


def _password_from_file(settings: Settings, cwd: Path) -> Password:
    """Return the first line of the password file."""
    path = local_path(settings[SSH_PASSWORD_FILE], cwd)
    first_line = _read(settings, SSH_PASSWORD_FILE, path).partition("\n")[0].removesuffix("\r")
    try:
        return Password(Secret(check_password(first_line)), _open_file_notes(path))
    except ValueError as error:
        reason = f"{str(path)!r}: {error}"
        raise settings.refuse(SSH_PASSWORD_FILE, reason) from None


def _open_file_notes(path: Path) -> tuple[str, ...]:
    """Return a note if others can read a file with a password."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & _OTHERS:
        return ()
    return (f"{path} holds a password and others can read it (mode {mode:04o}): chmod 600 {shlex.quote(str(path))}",)


def read_env_file(settings: Settings, cwd: Path) -> dict[str, Secret]:
    """Return the variables of ``--env-file``: ``NAME=VALUE`` lines, values taken literally, '#' lines left out.

    The form is docker's (https://docs.docker.com/reference/cli/docker/container/run/#env), without its bare names.

    Raises:
        SettingError: the file cannot be read, or a line is no assignment; its value is not shown.

    """
    if not settings[ENV_FILE]:
        return {}
    path = local_path(settings[ENV_FILE], cwd)
    found: dict[str, Secret] = {}
    for number, line in enumerate(_read(settings, ENV_FILE, path).split("\n"), start=1):
        text = line.removesuffix("\r").lstrip()
        if not text or text.startswith("#"):
            continue
        try:
            name, value = read_assignment(text)
        except ValueError as error:
            reason = f"{str(path)!r} line {number}: {error}"
            raise settings.refuse(ENV_FILE, reason, allowed="NAME=VALUE lines, '#' comments") from None
        found[name] = Secret(value)
    return found


def read_text(settings: Settings, setting: Setting[str], cwd: Path) -> str:
    """Return the text of the file that ``setting`` names.

    Raises:
        SettingError: it cannot be read.

    """
    return _read(settings, setting, local_path(settings[setting], cwd))


def inventory_sources(settings: Settings, cwd: Path) -> tuple[str, ...]:
    """Return the inventories as Ansible takes them: absolute paths, and lists of hosts with a comma as they are.

    Raises:
        SettingError: there is no such file, or Ansible would look for another one.

    """
    sources = []
    for source in settings[INVENTORY]:
        path = local_path(source, cwd)
        if path.exists():
            if os.path.expandvars(path) != str(path):
                reason = f"Ansible would put the value of a variable into the path {str(path)!r}"
                next_step = "move the inventory, or name a link to it"
                raise settings.refuse(INVENTORY, reason, allowed="a path without $NAME", next_step=next_step)
            sources.append(str(path))
        elif "," in source:
            sources.append(source)
        else:
            reason = f"there is no file {str(path)!r}"
            next_step = f"name an inventory, or use --nodes; a list of one host is '{source},'"
            raise settings.refuse(INVENTORY, reason, next_step=next_step)
    return tuple(sources)


def _read(settings: Settings, setting: Setting[str], path: Path) -> str:
    """Return the text of a file.

    Raises:
        SettingError: it cannot be read; the reason says why.

    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            reason = f"{str(path)!r} is larger than {_MAX_FILE_BYTES} bytes"
            raise settings.refuse(setting, reason)
        return content.decode()
    except OSError as error:
        reason = f"{str(path)!r} cannot be read: {error.strerror}"
        raise settings.refuse(setting, reason) from error
    except UnicodeDecodeError as error:
        reason = f"{str(path)!r} is not UTF-8 text"
        raise settings.refuse(setting, reason) from error
