# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of v2's commands, and click's way to read them: exact names, and a value is whatever word comes next."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from standin.v2_errors import UsageError


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: Key of the parsed value.
        flags: How it is written.
        kind: "flag", "text", "integer" or "list".
        default: Value when it is not given.
    """

    name: str
    flags: tuple[str, ...]
    kind: str
    default: Any = None


def _option(flags: str, kind: str, default: Any = None) -> Option:  # noqa: ANN401 - a default has the option's type
    words = tuple(flags.split())
    return Option(words[0].lstrip("-").replace("-", "_"), words, kind, default)


def _flag(flags: str) -> Option:
    return _option(flags, "flag", default=False)


_HELP = _flag("--help")
DISCOVER = (_option("--tags -t", "list"), _flag("--verbose -v"), _HELP)
RUN = (
    _option("--tags -t", "list"),
    _option("--manifest-file -m", "text", ""),
    _option("--registry -r", "text"),
    _option("--timeout", "integer", -1),
    _option("--additional-context -c", "text", "{}"),
    _option("--additional-context-file -f", "text"),
    _flag("--keep-alive"),
    _flag("--keep-model-dir"),
    _flag("--clean-docker-cache"),
    _flag("--skip-model-run"),
    _option("--manifest-output", "text", "build_manifest.json"),
    _option("--summary-output -s", "text"),
    _flag("--live-output -l"),
    _option("--output -o", "text", "perf.csv"),
    _flag("--ignore-deprecated"),
    _option("--data-config", "text", "data.json"),
    _option("--tools-config", "text", "./scripts/common/tools.json"),
    _flag("--sys-env-details"),
    _option("--force-mirror-local", "text"),
    _flag("--disable-skip-gpu-arch"),
    _flag("--verbose -v"),
    _flag("--cleanup-perf"),
    _HELP,
)


def parse(command: str, options: tuple[Option, ...], words: list[str]) -> dict[str, Any]:
    """Return the value of every option by name; with --help they are not looked at any further.

    Raises:
        UsageError: A word that is no option, an option without its value, a value of the wrong type.
    """
    known = {flag: option for option in options for flag in option.flags}
    values: dict[str, Any] = {option.name: [] if option.kind == "list" else option.default for option in options}
    rest, extra = list(words), []
    while rest:
        word = rest.pop(0)
        if word == "--":
            extra += rest
            break
        if not word.startswith("-") or word == "-":
            extra.append(word)
            continue
        flag, value = _split(word, known, rest)
        if flag not in known:
            raise UsageError(word=_unknown(flag, known), command=command)
        _take(known[flag], flag, value, rest, values)
    if values["help"]:
        return values
    typed = {option.name: _typed(option, values[option.name], command) for option in options}
    if extra:
        raise UsageError(word=f"Got unexpected extra argument{_plural(extra)} ({' '.join(extra)})", command=command)
    return typed


def _split(word: str, known: dict[str, Option], rest: list[str]) -> tuple[str, str | None]:
    """Return the option of a word and the value that stands in the word itself; further short flags go back to rest."""
    if word.startswith("--"):
        flag, equals, value = word.partition("=")
        return flag, value if equals else None
    flag, more = word[:2], word[2:]
    if more and flag in known and known[flag].kind == "flag":
        rest.insert(0, f"-{more}")
        return flag, None
    return flag, more or None


def _take(option: Option, flag: str, value: str | None, rest: list[str], values: dict[str, Any]) -> None:
    if option.kind == "flag":
        if value is not None:
            raise UsageError(word=f"Option '{flag}' does not take a value.", with_usage=False)
        values[option.name] = True
        return
    if value is None:
        if not rest:
            raise UsageError(word=f"Option '{flag}' requires an argument.", with_usage=False)
        value = rest.pop(0)
    if option.kind == "list":
        values[option.name].append(value)
    else:
        values[option.name] = value


def _typed(option: Option, value: Any, command: str) -> Any:  # noqa: ANN401 - a value has the option's type
    if option.kind != "integer" or isinstance(value, int):
        return value
    if not re.fullmatch(r"\s*[+-]?\d+(_\d+)*\s*", value):
        reason = "Input should be a valid integer, unable to parse string as an integer"
        raise UsageError(word=f"Invalid value for '{option.flags[0]}': {reason}", command=command)
    return int(value)


def _unknown(flag: str, known: dict[str, Option]) -> str:
    near = sorted(difflib.get_close_matches(flag, [name for name in known if name.startswith("--")]))
    return f"No such option: {flag}" + (f" (Possible options: {', '.join(near)})" if near else "")


def _plural(words: list[str]) -> str:
    return "s" if len(words) > 1 else "(s)"
