# SPDX-License-Identifier: GPL-3.0-or-later
"""What the launcher tells its user when it cannot go on.

The tree::

    LauncherError             exit code 5: the launcher itself, or Ansible below it
      UsageError              exit code 2: a flag, a variable, a file or a mixture of them
        SettingError          exit code 2: one value of one setting, with its source

Every error has three parts: what is wrong (``problem``), what is allowed (``allowed``)
and what to do next (``next_step``). ``cli.main`` catches them in one place.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_RANK_FAILED = 1
EXIT_USAGE = 2
EXIT_PREFLIGHT = 3
EXIT_TIME_LIMIT = 4
EXIT_LAUNCHER = 5
EXIT_INTERRUPTED = 130


class LauncherError(Exception):
    """A failure that a message can explain; the parts that are empty are not shown."""

    exit_code = EXIT_LAUNCHER

    def __init__(self, problem: str, *, allowed: str = "", next_step: str = "") -> None:
        """Keep the three parts; nothing is printed here."""
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed
        self.next_step = next_step

    def __str__(self) -> str:
        """Return the parts that are not empty, one a line."""
        parts = (("error", self.problem), ("allowed", self.allowed), ("next", self.next_step))
        return "\n".join(f"{label}: {text}" for label, text in parts if text)


class UsageError(LauncherError):
    """What was asked for cannot be done as it was asked."""

    exit_code = EXIT_USAGE


class SettingError(UsageError):
    """One value of one setting was refused; the problem names the value and its source."""
