# SPDX-License-Identifier: GPL-3.0-or-later
"""What the outermost door needs: usable streams, a working directory, and words for what nobody expected."""

from __future__ import annotations

import os
import resource
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from madlaunch.errors import LauncherError, UsageError

DEBUG = "MADLAUNCH_DEBUG"
"""Environment variable: if it is not empty, an unexpected error is shown with its traceback."""
_STANDARD_FILES = (0, 1, 2)


def fill_streams() -> None:
    """Open the null device in place of closed standard streams.

    Otherwise the next file that is opened gets the free number, and programs started from here write into it.
    """
    for number in _STANDARD_FILES:
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is the one that is missing, as those below it are open by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for as long as the process


def raise_open_files() -> None:
    """Raise the limit of open files to what this login may have at most: Ansible needs five per host.

    The usual 1024 are for programs with select(2), which neither Ansible nor ssh uses.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def working_directory() -> Path:
    """Return the working directory.

    Raises:
        UsageError: It was deleted, or may not be entered any more.
    """
    try:
        return Path.cwd()
    except OSError as error:
        problem = f"the working directory cannot be used: {error.strerror}"
        allowed = "a directory that exists"
        raise UsageError(problem, allowed=allowed, next_step="change to another directory, for example: cd") from error


def unexpected(error: Exception, *, detailed: bool) -> LauncherError:
    """Return what to tell the user about an error that nothing else has explained.

    Args:
        error: what was raised.
        detailed: show the traceback.

    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError):
        problem = f"this machine refused what madlaunch needs: {text}"
        next_step = f"mend what this names; --verbose or {DEBUG}=1 shows where it happened"
    else:
        problem = f"a fault of madlaunch itself, not of what it was asked for: {type(error).__name__}: {text}"
        next_step = (
            f"do it again with --verbose or {DEBUG}=1 and report what it shows, with the command line and what "
            "launcher.py --version says; ranks that were running stop when their lease ends"
        )
    if detailed:
        with suppress(RecursionError):
            problem += "\n" + "".join(traceback.format_exception(error)).rstrip()
    return LauncherError(problem, next_step=next_step)
