# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: words to settings, settings to a launch, and the one place where errors end.

Flags without a verb are a run: ``launcher.py --model TAG ...`` is ``launcher.py run --model TAG ...``.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import typer

from madlaunch import console, key_exchange, records, runs
from madlaunch.cli_door import DEBUG, fill_streams, raise_open_files, unexpected, working_directory
from madlaunch.cli_options import Words, build_command
from madlaunch.errors import EXIT_INTERRUPTED, EXIT_LAUNCHER, EXIT_USAGE, LauncherError, UsageError
from madlaunch.job import Launch, Surroundings, make_run_id, prepare
from madlaunch.job_known import names_nodes, prepare_known, with_run
from madlaunch.settings import resolve
from madlaunch.settings_known import RUN_ID
from madlaunch.settings_table import OUTPUT, SSH_PASSWORD, TABLE
from madlaunch.settings_verbs import KNOWN, VERBS
from madlaunch.sockets import VARIABLE, control_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Engine = Callable[[Launch], int]

_CLICK_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])
"""The base of what Typer raises for unusable words. It has no public name there, and Typer brings its own click."""


def script() -> NoReturn:
    """Be the program: run the command line and leave with its exit code, which no later Ctrl-C changes."""
    code = main()
    # Python still takes its time to end, and the last word has been said.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(code)


def main(argv: Sequence[str] | None = None, *, engine: Engine | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        argv: the words after the program's name; the process's own if None.
        engine: what runs a launch; the real one if None.

    """
    words = list(sys.argv[1:] if argv is None else argv)
    fill_streams()
    try:
        return _dispatch(list(words), engine or run_launch)
    except LauncherError as error:
        console.show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 # the outermost door: whatever is left is our own fault, or the system's
        console.show_error(unexpected(error, detailed="--verbose" in words or bool(os.environ.get(DEBUG))))
        return EXIT_LAUNCHER


def _dispatch(words: list[str], engine: Engine) -> int:
    """Read the words and do what they ask for."""
    if words[:1] == ["--version"]:
        console.show_text(_version())
        return 0
    if not words and not any(row.env_name in os.environ for row in TABLE):
        _read_words("run", ["--help"])
        return EXIT_USAGE
    verb = words.pop(0) if words and words[0] in VERBS else _default_verb(words)
    given = _read_words(verb, words)
    if given is None:
        return 0
    if verb == "list" and not names_nodes(given.flags):
        return _list_records(given)
    return engine(_prepare(given))


def _list_records(given: Words) -> int:
    """Show the runs that this machine has a record of; no host is asked."""
    from madlaunch.session import show_list  # noqa: PLC0415 - heavy, and --help must be quick

    environ = dict(os.environ)
    settings = resolve(given.flags, environ, working_directory())
    found = tuple(records.overview(record) for record in records.recorded(environ))
    show_list("json" if settings[OUTPUT] == "json" else "text", found)
    return 0


def _default_verb(words: list[str]) -> str:
    """Return the verb of words that start without one; without any word the environment describes a run.

    Raises:
        UsageError: the first word is neither a verb nor a flag.

    """
    if not words or words[0].startswith("-"):
        return "run"
    msg = f"{words[0]!r} is not a verb"
    raise UsageError(msg, allowed=", ".join(VERBS) + ", or flags alone for a run", next_step="launcher.py --help")


def _read_words(verb: str, words: list[str]) -> Words | None:
    """Return the flags of ``verb``; None if it was only asked for help.

    Raises:
        UsageError: a flag is unknown, has no value, or there is a word too many.

    """
    command, found = build_command(verb, plain=not sys.stdout.isatty())
    try:
        command.main(words, prog_name=f"launcher.py {verb}", standalone_mode=False)
    except _CLICK_ERROR as error:
        problem = " ".join(str(getattr(error, "message", "") or error).split()).rstrip(".")
        late = next((name for name in VERBS if problem.endswith(f"({name})")), None)
        if late and "unexpected extra argument" in problem:
            # Only the name of the first flag: its value may be a secret.
            msg = f"the verb comes first: launcher.py {late} {words[0].partition('=')[0]} ..."
            next_step = f"launcher.py {late} --help lists the flags"
            raise UsageError(msg, allowed="one verb, then the flags", next_step=next_step) from error
        hint = f"launcher.py {verb} --help lists the flags"
        near = getattr(error, "possibilities", None)
        next_step = f"did you mean {' or '.join(near)}? {hint}" if near else hint
        allowed = "flags, each with its value; a value with spaces in quotes"
        raise UsageError(problem, allowed=allowed, next_step=next_step) from error
    return found[0] if found else None


def _prepare(given: Words) -> Launch:
    """Return the launch that the flags, the environment and the files describe."""
    environ = dict(os.environ)
    # So that nothing that is started from here inherits it.
    os.environ.pop(SSH_PASSWORD.env_name, None)
    cwd = working_directory()
    run_id = make_run_id(datetime.now(UTC), secrets.token_hex(2))
    around = Surroundings(environ, cwd, run_id, runs.record_directory(run_id, environ), _ask_password)
    if given.verb not in KNOWN:
        return prepare(given.verb, resolve(given.flags, environ, cwd), around)
    return _prepare_known(given, around)


def _prepare_known(given: Words, around: Surroundings) -> Launch:
    """Return what is done with a run that was started before; its record says where, unless flags name nodes."""
    wanted = given.flags.get(RUN_ID.name, ("",))[0]
    named = names_nodes(given.flags)
    # With nodes named and no id, the newest run is that of the nodes, not that of this machine.
    record = records.find(wanted, around.environ) if (wanted or not named) and given.verb != "list" else None
    settings = resolve(given.flags, around.environ, around.cwd, record.given if record and not named else None)
    return prepare_known(given.verb, settings, with_run(around, record), record)


def _ask_password() -> str:
    """Ask at the terminal, without echo.

    Raises:
        OSError: there is no terminal.

    """
    import getpass  # noqa: PLC0415 - only here is it needed

    with Path("/dev/tty").open("r+b", buffering=0):
        return getpass.getpass("SSH password: ")


def run_launch(launch: Launch) -> int:
    """Run the launch for real, with sockets of its own, and return the exit code."""
    from madlaunch.session import run_session  # noqa: PLC0415 - heavy, and --help must be quick

    if launch.job.mode == "render":
        return run_session(launch.request, launch.job, launch.options)
    raise_open_files()
    with control_sockets(os.environ) as folder:
        environment = key_exchange.environment_of(launch.request) | launch.request.environment | {VARIABLE: str(folder)}
        return run_session(replace(launch.request, environment=environment), launch.job, launch.options)


def _version() -> str:
    """Return the version of the launcher."""
    from madlaunch import __version__  # noqa: PLC0415 - the package is not yet initialized when this file is read

    return f"madlaunch {__version__}"
