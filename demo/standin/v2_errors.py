# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which madengine v2 ends."""

from __future__ import annotations

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_BUILD = 2
EXIT_RUN = 3
EXIT_ARGUMENTS = 4


class UsageError(Exception):
    """A word on the command line that typer refuses (exit code 2).

    Args:
        word: The message.
        command: The command it was said of, empty for the program itself.
        with_usage: Whether the two lines of usage come first.
    """

    def __init__(self, *, word: str, command: str = "", with_usage: bool = True) -> None:
        super().__init__(word)
        self.word = word
        self.command = command
        self.with_usage = with_usage


class ExitError(Exception):
    """The end of the program, after everything was said.

    Args:
        code: Exit code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class RunError(Exception):
    """A whole run failed.

    Args:
        message: What is printed.
        code: Exit code.
        suggestions: Lines printed under it.
    """

    def __init__(self, message: str, code: int, suggestions: tuple[str, ...]) -> None:
        super().__init__(message)
        self.code = code
        self.suggestions = suggestions


def build_error(reason: object) -> RunError:
    """An image could not be built, or there was no model to build one for."""
    return RunError(
        f"🔨 Build error: Build phase failed: {reason}",
        EXIT_BUILD,
        (
            "Check Docker daemon is running",
            "Verify network connectivity for image pulls",
            "Check disk space for Docker builds",
        ),
    )


def runtime_error(reason: object) -> RunError:
    """The run phase failed before any model ran."""
    return RunError(
        f"💥 Runtime error: Run phase failed: {reason}",
        EXIT_RUN,
        ("Check manifest file exists and is valid", "Verify Docker daemon is running", "Check network connectivity"),
    )


def nothing_to_run() -> RunError:
    """Neither tags nor a manifest."""
    return RunError(
        "⚙️  Configuration error: Either --manifest-file or --tags required",
        EXIT_ARGUMENTS,
        ("Provide --manifest-file path to run pre-built images", "Provide --tags to build and run models"),
    )
