# SPDX-License-Identifier: GPL-3.0-or-later
"""A private key with a passphrase: ssh must have it from an agent, because a launch does not ask for passphrases.

Only programs of this machine are asked (ssh-keygen, ssh-add); no host is contacted.
"""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

from madlaunch.settings_table import SSH_ARGS, SSH_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from madlaunch.settings_model import Settings

_TIMEOUT_S = 10.0
_AGENT = "SSH_AUTH_SOCK"


def passphrase_notes(
    settings: Settings, key: Path | None, environ: Mapping[str, str], *, may_ask: bool
) -> tuple[str, ...]:
    """Return what to say about the key of a launch: nothing if ssh can use it as far as this machine can tell.

    Args:
        settings: the settled settings.
        key: the private key file, None for ssh's own choice.
        environ: the environment, which has the agent.
        may_ask: there is a password, or there may be one in the inventory: the key may not be needed.

    Raises:
        SettingError: the key has a passphrase, and nothing could hold the key for ssh.

    """
    if key is None or not _has_passphrase(key, environ):
        return ()
    add = f"ssh-add {shlex.quote(str(key))}"
    if environ.get(_AGENT):
        return () if _is_held(key, environ) else (f"{key} has a passphrase, and the agent does not hold it: {add}",)
    reason = f"{str(key)!r} has a passphrase, and there is no agent that holds the key"
    next_step = f'eval "$(ssh-agent)" && {add}'
    # The words for ssh, and its configuration, may name an agent of their own.
    if may_ask or settings[SSH_ARGS] or _configures_agent(environ):
        return (f"{reason}: {next_step}",)
    raise settings.refuse(SSH_KEY, reason, allowed="a key without a passphrase, or an agent", next_step=next_step)


def _has_passphrase(key: Path, environ: Mapping[str, str]) -> bool:
    """Tell whether the empty passphrase does not open it; a key that cannot be read for another reason is ssh's."""
    done = _run(["ssh-keygen", "-y", "-P", "", "-f", str(key)], environ)
    return done is not None and done.returncode != 0 and "passphrase" in done.stderr


def _is_held(key: Path, environ: Mapping[str, str]) -> bool:
    """Tell whether the agent lists the key; a key of which the fingerprint cannot be told may be in it."""
    shown, listed = _run(["ssh-keygen", "-l", "-f", str(key)], environ), _run(["ssh-add", "-l"], environ)
    if shown is None or shown.returncode != 0 or listed is None:
        return True
    return shown.stdout.split()[1] in listed.stdout.split()


def _configures_agent(environ: Mapping[str, str]) -> bool:
    """Tell whether ssh's configuration, without what it has for single hosts, names an agent."""
    done = _run(["ssh", "-G", "-o", "CanonicalizeHostname=no", "madlaunch.invalid"], environ)
    return done is None or "\nidentityagent " in done.stdout


def _run(argv: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str] | None:
    """Run a program that asks nobody; None if it is not there or gives no answer."""
    # The text that tells of a passphrase is looked for in English.
    env = {**environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        return subprocess.run(  # noqa: S603 - no shell; the words are ours but for the path of the key
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
