# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the additional arguments: refuse those that would undo the launch, and lift a context out of them.

Private to the collection. Pure. A user's `--additional-context` cannot be passed on as it stands: in v1 the last one on
the command line wins and would remove `multi_node_args`, in v2 it replaces whole keys of the context file. So it is
taken apart and merged below what the launch sets.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._command_checks import check_env
from ._command_common import CommandError, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPTION = "additional_args"
CONTEXT_FLAG = "--additional-context"
REFUSED_FLAGS = {
    "--tags": "use --model",
    "--timeout": "use --timeout of the launch, which also ends what madengine's own limit does not cover",
    "--additional-context-file": 'give the content itself: --additional-context "$(cat FILE)"; it is merged',
    "--force-mirror-local": "use --shared-data-path",
    "--output": "the results are read from perf.csv",
    "--summary-output": "the launch reads the summary itself; it is among the collected results",
}
SHORT_FLAGS = {
    1: {"o": "--output"},
    2: {"t": "--tags", "f": "--additional-context-file", "s": "--summary-output", "o": "--output", "c": CONTEXT_FLAG},
}
# Short flags of v2 without a value, which may be followed by another in the same word (`-lt TAG`).
SHORT_SWITCHES = {1: "", 2: "lv"}
REFUSED_KEYS = {
    "slurm": "madengine would submit a Slurm job from every node",
    "k8s": "madengine would deploy to Kubernetes from every node",
    "kubernetes": "madengine would deploy to Kubernetes from every node",
    "multi_node_args": "the launch sets it (--nodes, --master-addr, --nccl-interface and so on)",
    "gpus_per_node": "use --nproc-per-node",
    "skip_perf_collection": "the verdict needs the results of every rank",
}
REFUSED_DISTRIBUTED = ("launcher", "nnodes", "nproc_per_node")


@dataclass(frozen=True)
class UserArgs:
    """What additional_args ask for: the words to pass on, and the context to merge."""

    words: tuple[str, ...]
    context: Mapping[str, Any]


def read(words: tuple[str, ...], major: int) -> UserArgs:
    """Take the arguments apart for madengine `major`; raises `CommandError` for what must not be passed on."""
    kept: list[str] = []
    context: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        flag, value = _flag_of(word, major)
        if flag == CONTEXT_FLAG:
            context = merged(context, _parse_context(_value_of(word, value, rest)))
            continue
        if flag in REFUSED_FLAGS:
            message = f"{OPTION} has {word!r}, which would replace what the launch sets ({flag})."
            raise CommandError(OPTION, message, f"Remove it: {REFUSED_FLAGS[flag]}.")
        kept.append(word)
    return UserArgs(tuple(kept), context)


def _flag_of(word: str, major: int) -> tuple[str, str | None]:
    """Return the full name of the flag that `word` is, and the value that is written in the same word, if one is."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return _full_name(name), value if equals else None
    letters = word[1:].lstrip(SHORT_SWITCHES[major]) if word.startswith("-") else ""
    return SHORT_FLAGS[major].get(letters[:1], word), letters[1:] or None


def _full_name(name: str) -> str:
    """Complete a shortened flag as v1 does, so that `--tag` is `--tags`; a name that is whole stays as it is."""
    if name in {"--", CONTEXT_FLAG}:
        return name
    return next((flag for flag in REFUSED_FLAGS if flag.startswith(name)), name)


def _value_of(word: str, value: str | None, rest: Iterator[str]) -> str:
    found = next(rest, None) if value is None else value
    if found is None:
        raise CommandError(OPTION, f"{OPTION} ends with {word}, which wants a value.", "Add the context behind it.")
    return found


def _parse_context(text: str) -> dict[str, Any]:
    """Read a context as madengine does, JSON or a Python literal, and check that it leaves the launch alone."""
    try:
        context = json.loads(text)
    except ValueError:
        context = _literal(text)
    if not isinstance(context, dict):
        message = f"the {CONTEXT_FLAG} in {OPTION} is a {type(context).__name__}, not a dictionary."
        raise CommandError(OPTION, message, "Write it as {'name': value}.")
    _check_context(context)
    return context


def _literal(text: str) -> object:
    try:
        value = ast.literal_eval(text)
        json.dumps(value)  # it travels in a JSON file
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        message = f"the {CONTEXT_FLAG} in {OPTION} is neither JSON nor a Python literal that JSON can write ({error})."
        raise CommandError(OPTION, message, "Check its quotes; in a shell put '...' around it.") from error
    return value


def _check_context(context: Mapping[str, Any]) -> None:
    for key, reason in REFUSED_KEYS.items():
        if key in context:
            message = f"the {CONTEXT_FLAG} in {OPTION} has the key {key!r}."
            raise CommandError(OPTION, message, f"Remove it: {reason}.")
    for key in ("docker_env_vars", "distributed"):
        if not isinstance(context.get(key, {}), dict):
            message = f"{key!r} in the {CONTEXT_FLAG} in {OPTION} is no dictionary."
            raise CommandError(OPTION, message, "Write it as {'name': value}.")
    taken = [key for key in REFUSED_DISTRIBUTED if key in context.get("distributed", {})]
    if taken:
        message = f"the {CONTEXT_FLAG} in {OPTION} sets {taken[0]!r} of 'distributed', which the launch sets."
        raise CommandError(OPTION, message, "Remove it: use --runner, --nodes, --nproc-per-node.")
    check_env(OPTION, context.get("docker_env_vars", {}))
