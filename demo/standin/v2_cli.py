# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of madengine v2.1.0 (typer): which words it takes, and how it answers those it does not."""

from __future__ import annotations

import sys
from typing import Any

from standin import v2_commands, v2_options
from standin.console import panel, say
from standin.errors import UnsupportedError
from standin.v2_errors import EXIT_FAILURE, EXIT_USAGE, ExitError, UsageError

VERSION = "2.1.0"
_COMMANDS = {"run": v2_options.RUN, "discover": v2_options.DISCOVER}
_UNSUPPORTED = ("build", "database", "report")
_HELP = "--help"


def main(argv: list[str]) -> int:
    """Run one command. Returns 0 ok, 1 failure, 2 usage or build, 3 run, 4 bad argument."""
    try:
        return _dispatch(argv)
    except UsageError as error:
        _refuse(error)
        return EXIT_USAGE
    except ExitError as error:
        return error.code
    except KeyboardInterrupt:
        say("\n🛑 Operation cancelled by user")
        return EXIT_FAILURE


def _dispatch(argv: list[str]) -> int:
    words = list(argv)
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--version":
            say(f"🚀 madengine version {VERSION}")
            return 0
        if word == _HELP:
            _help("madengine [OPTIONS] COMMAND [ARGS]...", [*_COMMANDS, *_UNSUPPORTED])
            return 0
        raise UsageError(word=f"No such option: {word}")
    if not words:
        _help("madengine [OPTIONS] COMMAND [ARGS]...", [*_COMMANDS, *_UNSUPPORTED])
        return EXIT_USAGE
    return _command(words[0], words[1:])


def _command(name: str, words: list[str]) -> int:
    if name in _UNSUPPORTED:
        message = f"the command {name} is not supported"
        raise UnsupportedError(message)
    if name not in _COMMANDS:
        raise UsageError(word=f"No such command '{name}'.")
    options: dict[str, Any] = v2_options.parse(name, _COMMANDS[name], words)
    if options["help"]:
        _help(f"madengine {name} [OPTIONS]", sorted(flag for option in _COMMANDS[name] for flag in option.flags))
        return 0
    return v2_commands.run(options) if name == "run" else v2_commands.discover(options)


def _help(usage: str, items: list[str]) -> None:
    print(f"Usage: {usage}")
    for item in items:
        print(f"  {item}")


def _refuse(error: UsageError) -> None:
    """Print a usage error to stderr, in the box typer puts around it."""
    command = f"madengine {error.command}" if error.command else "madengine"
    words = "[OPTIONS]" if error.command else "[OPTIONS] COMMAND [ARGS]..."
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        if error.with_usage:
            print(f"Usage: {command} {words}")
            print(f"Try '{command} --help' for help.")
        panel("Error", [error.word])
    finally:
        sys.stdout = stdout
