# SPDX-License-Identifier: GPL-3.0-or-later
"""One launch as values: what is shown of it (Job) and what is run (PlayRequest), built from settled settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from madlaunch.connection import Connection, build_connection
from madlaunch.errors import UsageError
from madlaunch.hostlist_ranges import MAX_NODES
from madlaunch.hosts import build_inventory, inventory_names
from madlaunch.inputs import local_path, read_env_file, read_key, read_password
from madlaunch.job_given import given_texts
from madlaunch.job_nodes import choose_nodes
from madlaunch.passphrase import passphrase_notes
from madlaunch.request import ConsoleOptions, Mode, PlayRequest, SettingRow
from madlaunch.secrets import Secrets
from madlaunch.settings_sources import misspelled_variables
from madlaunch.settings_table import (
    CHECK_ONLY,
    DRY_RUN,
    FORKS,
    HOST_KEY_CHECKING,
    LIMIT,
    LOG_DIR,
    MASTER_ADDR,
    MASTER_PORT,
    MODEL,
    OUTPUT,
    SHARED_DATA_PATH,
    TABLE,
    TIMEOUT,
    VERBOSE,
)
from madlaunch.settings_verbs import settings_of
from madlaunch.variables import RunPlace, Variables, build_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from madlaunch.inputs import Password
    from madlaunch.job_nodes import NodeChoice
    from madlaunch.settings_model import Settings

MIN_FORKS = 5
"""Ansible's own default."""


@dataclass(frozen=True)
class Job:
    """What this launch is, for the screen and the record; no secret in it."""

    run_id: str
    mode: Mode
    model: str
    nodes: tuple[str, ...]
    """Inventory names in rank order; empty when an Ansible inventory decides."""
    master: str
    """``address:port`` as far as known before the launch; '' when the inventory decides."""
    shared_data_path: str
    timeout_s: int
    log_dir: Path
    """Where this run's logs and results will be on the control node (absolute)."""
    notes: tuple[str, ...]
    """What the user should know before the run starts; each is shown once."""
    settings: tuple[SettingRow, ...]
    """Every setting of the verb with its source, for a dry run and for the record."""
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The texts by which the nodes are found again, for the record."""


@dataclass(frozen=True)
class Surroundings:
    """What a launch takes from outside its settings."""

    environ: Mapping[str, str]
    cwd: Path
    run_id: str
    record_dir: Path
    ask_password: Callable[[], str]


@dataclass(frozen=True)
class Launch:
    """All that the session needs."""

    job: Job
    request: PlayRequest
    options: ConsoleOptions


def make_run_id(now: datetime, token: str) -> str:
    """Return ``mad-YYYYmmdd-HHMMSS-<token>``; ``now`` is in UTC, ``token`` four hexadecimal digits."""
    return f"mad-{now:%Y%m%d-%H%M%S}-{token}"


def choose_mode(verb: Mode, settings: Settings) -> Mode:
    """Return what is to be done: the verb, or what a switch makes of ``run``.

    Raises:
        SettingError: both a check and a dry run are asked for.

    """
    check = verb == "check" or settings[CHECK_ONLY]
    dry = verb == "render" or settings[DRY_RUN]
    if check and dry:
        setting = DRY_RUN if settings[DRY_RUN] else CHECK_ONLY
        reason = "a dry run contacts no host, and a check has to"
        raise settings.refuse(setting, reason, allowed="--check-only or --dry-run")
    if check:
        return "check"
    return "render" if dry else "run"


def prepare(verb: Mode, settings: Settings, around: Surroundings) -> Launch:
    """Return the launch that the settings describe; files are read, nothing is started.

    Raises:
        UsageError: it cannot be done as it was asked.

    """
    mode = choose_mode(verb, settings)
    if not settings[MODEL]:
        msg = f"no model is named: {MODEL.flag} is required"
        raise UsageError(msg, allowed="one model tag", next_step=f"add for example {MODEL.flag} pyt_train_tag")
    choice = choose_nodes(settings, around.environ, around.cwd)
    foreign = bool(choice.inventory_sources)
    key = read_key(settings, around.cwd)
    env_secrets = read_env_file(settings, around.cwd)
    password = read_password(settings, around.cwd, around.ask_password if mode != "render" else None)
    may_ask = foreign or password.secret is not None
    key_notes = passphrase_notes(settings, key, around.environ, may_ask=may_ask)
    connection = build_connection(settings, key, may_ask=may_ask)
    place = RunPlace(around.run_id, _log_dir(settings, around))
    variables = build_variables(settings, place, env_secrets, foreign_inventory=foreign)
    secrets = Secrets(password.secret, env_secrets)
    return Launch(
        job=replace(
            _job(mode, settings, choice, place, (*notes_of(settings, around, choice, password), *key_notes)),
            given=given_texts(settings, choice, around.cwd),
        ),
        request=_request(settings, around, choice, _Parts(mode, connection, variables, secrets)),
        options=ConsoleOptions("json" if settings[OUTPUT] == "json" else "text", settings[VERBOSE]),
    )


@dataclass(frozen=True)
class _Parts:
    """What was worked out for the request."""

    mode: Mode
    connection: Connection
    variables: Variables
    secrets: Secrets


def _request(settings: Settings, around: Surroundings, choice: NodeChoice, parts: _Parts) -> PlayRequest:
    """Return what Ansible is to run."""
    foreign = bool(choice.inventory_sources)
    group = parts.variables.host if foreign else parts.connection.as_variables() | parts.variables.host
    return PlayRequest(
        playbook="check.yml" if parts.mode == "check" else "launch.yml",
        inventory=build_inventory(choice.nodes, group),
        inventory_sources=choice.inventory_sources,
        limit=settings[LIMIT] or None,
        extra_vars=parts.variables.run,
        # An inventory may hold any number of hosts; forks above the number of hosts cost nothing.
        forks=settings[FORKS] or (MAX_NODES if foreign else max(MIN_FORKS, len(choice.nodes))),
        secrets=parts.secrets,
        check_mode=parts.mode == "render",
        environment=parts.connection.as_environment() if foreign else {},
        run_id=around.run_id,
        record_dir=around.record_dir,
    )


def _job(mode: Mode, settings: Settings, choice: NodeChoice, place: RunPlace, notes: tuple[str, ...]) -> Job:
    """Return what is shown of the launch."""
    address = settings[MASTER_ADDR] or (choice.nodes[0].host if choice.nodes else "")
    host = f"[{address}]" if ":" in address else address
    return Job(
        run_id=place.run_id,
        mode=mode,
        model=settings[MODEL],
        nodes=inventory_names(choice.nodes),
        master=f"{host}:{settings[MASTER_PORT]}" if host else "",
        shared_data_path=settings[SHARED_DATA_PATH],
        timeout_s=settings[TIMEOUT],
        log_dir=place.log_dir,
        notes=notes,
        settings=rows_of(mode, settings),
    )


def _log_dir(settings: Settings, around: Surroundings) -> Path:
    """Return this run's own directory: below ``--log-dir`` if given, so that two runs never share one."""
    if not settings[LOG_DIR]:
        return around.record_dir
    return local_path(settings[LOG_DIR], around.cwd) / around.run_id


def rows_of(verb: Mode, settings: Settings) -> tuple[SettingRow, ...]:
    """Return the settings that the verb takes, for a display."""
    names = {row.name for row in settings_of("run" if verb == "render" else verb)}
    return tuple(row for row in settings.rows() if row.name in names)


def notes_of(settings: Settings, around: Surroundings, choice: NodeChoice, password: Password) -> tuple[str, ...]:
    """Return what the user should know, in the order in which it was found."""
    notes = [*misspelled_variables(TABLE, around.environ), *choice.notes, *password.notes]
    if settings[HOST_KEY_CHECKING] == "off":
        notes.append("host keys are not checked: another machine could answer for a node and see the password")
    return tuple(notes)
