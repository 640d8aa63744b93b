# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line hands to the machinery: values only, no behavior.

``cli`` builds a :class:`PlayRequest` and a :class:`madlaunch.job.Job` from the settings;
``session.run_session(request, job, options)`` does the rest and returns the exit code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from madlaunch.secrets import Secrets

Mode = Literal["run", "check", "render", "status", "logs", "attach", "stop", "list", "collect"]
"""``run`` starts ranks; ``check`` is the preflight alone; ``render`` contacts no host (dry run). The others are about
a run that was started before; of them only ``attach`` follows it to its end, as ``run`` does."""


@dataclass(frozen=True)
class SettingRow:
    """One line of the settings table of a dry run; a secret value is already masked."""

    name: str
    """As in a configuration file: ``master_port``."""
    value: str
    source: str
    """Where the value came from: ``command line``, ``environment variable MADLAUNCH_MASTER_PORT``,
    ``launch.yml line 3, key master_port`` or ``default``."""
    group: str


@dataclass(frozen=True)
class ConsoleOptions:
    """How the console speaks."""

    output: Literal["text", "json"] = "text"
    verbose: bool = False


@dataclass(frozen=True)
class PlayRequest:
    """One run of one playbook, complete.

    The strings of ``inventory`` and ``extra_vars`` are plain text as the user gave them. Whoever writes
    them to a file for Ansible passes them through :func:`madlaunch.variables.unsafe` first, so that
    Ansible neither templates nor retypes them. ``extra_vars`` may hold secrets (``container_env_secret``):
    they go into a file of mode 0600, never onto a command line, and are not in the ``repr``.
    """

    playbook: str
    """Of the collection: ``launch.yml``."""
    inventory: dict[str, Any]
    """Static Ansible inventory (``{"all": {"hosts": ..., "vars": ...}}``). With ``inventory_sources`` it holds
    variables only and is to be the LAST source, so that an explicit flag beats the ``all`` group of the user's
    inventory and is beaten by its host variables."""
    inventory_sources: tuple[str, ...]
    """Absolute paths or ``host,`` lists of the user, in order; empty when the nodes were named on the command line."""
    limit: str | None
    extra_vars: dict[str, Any] = field(repr=False)
    forks: int
    secrets: Secrets
    check_mode: bool
    """True for a dry run: ``--check``; no host is contacted."""
    environment: dict[str, str]
    """Additional environment of ``ansible-playbook`` (``ANSIBLE_*``); no secret in it."""
    run_id: str
    """'' when only the nodes can tell which run is meant."""
    record_dir: Path
    """Directory of this run's record on the control node (not yet created); without a run id, the one above it."""
