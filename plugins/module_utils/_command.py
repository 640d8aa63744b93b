# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the madengine command of one rank from the plan.

Private to the collection. Pure: values in, a frozen `Command` out. Nothing here is ever a shell string; the role's
template (roles/job/templates/run.sh.j2) quotes each word.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import _command_args
from ._command_checks import RUNNERS, check_host, check_run, check_v1_env, check_work_dir
from ._command_common import MASK, Command, CommandError, Host, Run
from ._command_v1 import build_v1
from ._command_v2 import build_v2

V1, V2 = 1, 2


def build(run: Mapping[str, Any], host: Mapping[str, Any], major: int) -> Command:
    """Return the command of one rank.

    Args:
        run: the plan.
        host: the rank's part of the plan, with its inventory name under `host`.
        major: the major version of madengine on the host, 1 or 2.

    What only the host can tell (an interface `auto`, in v2 a GPU count 0) becomes a placeholder in `<...>`, listed in
    `Command.unresolved`. Raises `CommandError` for a value that madengine would not carry unharmed.
    """
    typed_run, typed_host = Run.from_plan(run), Host.from_settings(host)
    check_host(typed_host)
    place = "mad_dir" if run.get("in_place") else "node_state_dir"
    check_work_dir(place, str(host.get(place, "")), typed_host.name, quoted=major != V1)
    user = _checked(typed_run, major)
    builder = build_v1 if major == V1 else build_v2
    return builder(typed_run, typed_host, user)


def validate(run: Mapping[str, Any]) -> None:
    """Check all that can be checked before any host is contacted; raises `CommandError`.

    With the version `auto` a request is refused here only when neither version could carry it out; otherwise `build`
    decides once the version is known. Values of secrets must be in `container_env` to be checked as well.
    """
    typed_run = Run.from_plan(run)
    version = str(run["madengine_version"])
    majors = (V1, V2) if version == "auto" else (int(version),)
    refusals = [_refusal(typed_run, major) for major in majors]
    if all(refusals) and refusals[0]:
        raise refusals[0]


def _refusal(run: Run, major: int) -> CommandError | None:
    try:
        _checked(run, major)
    except CommandError as refusal:
        return refusal
    return None


def _checked(run: Run, major: int) -> _command_args.UserArgs:
    if major not in (V1, V2):
        message = f"madengine {major} is not known."
        raise CommandError("madengine_version", message, "Install madengine 1 or 2 on the hosts.")
    check_run(run)
    user = _command_args.read(run.additional_args, major)
    if major == V1:
        check_v1_env("container_env", run.container_env)
        check_v1_env(_command_args.OPTION, user.context.get("docker_env_vars", {}))
    return user


def masked(command: Command, secret_names: tuple[str, ...] | list[str]) -> Command:
    """Return the command for showing: the values of the secret container variables are `***`."""
    documents = {name: _without_secrets(document, secret_names) for name, document in command.documents.items()}
    context = None if command.context is None else _without_secrets(command.context, secret_names)
    return replace(command, documents=documents, context=context)


def _without_secrets(context: Mapping[str, Any], secret_names: tuple[str, ...] | list[str]) -> dict[str, Any]:
    env = context.get("docker_env_vars")
    if not isinstance(env, Mapping):
        return dict(context)
    return {**context, "docker_env_vars": {name: MASK if name in secret_names else env[name] for name in env}}


def display(command: Command, secret_names: tuple[str, ...] | list[str] = ()) -> str:
    """Return the command line for people, on one line and without secrets, quoted so that a shell reads it back."""
    return " ".join(_shown(word) for word in masked(command, secret_names).argv)


def _shown(word: str) -> str:
    if not word.isprintable():
        # bash's $'...' keeps a newline from breaking the line and an escape sequence from reaching the terminal.
        escaped = word.replace("\\", "\\\\").replace("'", "\\'")
        return "$'" + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped) + "'"
    return f'"{word}"' if _reads_better_in_double_quotes(word) else shlex.quote(word)


def _reads_better_in_double_quotes(word: str) -> bool:
    """Say whether a word has single quotes, and nothing that means something to a shell within double quotes."""
    return "'" in word and not any(char in word for char in '"$`\\!')


def script(command: Command, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variable `script` of the template run.sh.j2.

    Args:
        command: what to run.
        facts: `run_id`, `node_rank`, `nnodes`, `host`, and `work_dir` ('' = the copy in the rank's run directory;
            a relative path lies below the login's home).
    """
    argv = [
        {
            "text": word,
            "in_rank_dir": index in command.rank_dir_args,
            "double_quotes": _reads_better_in_double_quotes(word),
        }
        for index, word in enumerate(command.argv)
    ]
    names = ("run_id", "node_rank", "nnodes", "host", "work_dir")
    return {**{name: facts[name] for name in names}, "env": dict(command.env), "argv": argv}


__all__ = ["RUNNERS", "Command", "CommandError", "build", "display", "masked", "script", "validate"]
