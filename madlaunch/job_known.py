# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with a run that was started before, as values: built from settled settings and the run's record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from madlaunch.connection import build_connection
from madlaunch.errors import SettingError, UsageError
from madlaunch.hostlist_ranges import MAX_NODES
from madlaunch.hosts import build_inventory, inventory_names
from madlaunch.inputs import local_path, read_env_file, read_key, read_password
from madlaunch.job import MIN_FORKS, Job, Launch, Surroundings, notes_of, rows_of
from madlaunch.job_nodes import WAYS, choose_nodes
from madlaunch.passphrase import passphrase_notes
from madlaunch.request import ConsoleOptions, PlayRequest
from madlaunch.secrets import Secrets
from madlaunch.settings_known import FOLLOW, RANK, RUN_ID, TAIL
from madlaunch.settings_model import Strength
from madlaunch.settings_table import (
    ENV_FILE,
    FORKS,
    GRACE_S,
    LEASE_S,
    LIMIT,
    LOG_DIR,
    NODE_STATE_DIR,
    OUTPUT,
    VERBOSE,
)
from madlaunch.settings_verbs import settings_of
from madlaunch.slurm import nodelist_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from madlaunch.request import Mode
    from madlaunch.runs import RunRecord
    from madlaunch.secrets import Secret
    from madlaunch.settings_model import Settings


def names_nodes(flags: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether flags name nodes; the record of a run is then not asked for them."""
    return any(way.name in flags for way in WAYS)


def prepare_known(verb: Mode, settings: Settings, around: Surroundings, record: RunRecord | None) -> Launch:
    """Return what the verb does with the run; ``around.run_id`` is '' when only the nodes can tell which one it is.

    Raises:
        UsageError: it cannot be done as it was asked.

    """
    if record is None and not _has_nodes(settings, around):
        raise _unknown_run(settings)
    choice = choose_nodes(settings, around.environ, around.cwd)
    foreign = bool(choice.inventory_sources)
    password = read_password(settings, around.cwd, around.ask_password)
    key = read_key(settings, around.cwd)
    may_ask = foreign or password.secret is not None
    key_notes = passphrase_notes(settings, key, around.environ, may_ask=may_ask)
    connection = build_connection(settings, key, may_ask=may_ask)
    hidden, notes = _hidden(verb, settings, around)
    group = {} if foreign else connection.as_variables()
    if settings.is_given(NODE_STATE_DIR):
        group[NODE_STATE_DIR.variable_name] = settings[NODE_STATE_DIR]
    request = PlayRequest(
        playbook=f"{verb}.yml",
        inventory=build_inventory(choice.nodes, group),
        inventory_sources=choice.inventory_sources,
        limit=settings[LIMIT] or None,
        extra_vars=_variables(verb, settings, around, record) | _secret_variables(hidden),
        forks=settings[FORKS] or (MAX_NODES if foreign else max(MIN_FORKS, len(choice.nodes))),
        secrets=Secrets(password.secret, hidden),
        check_mode=False,
        environment=connection.as_environment() if foreign else {},
        run_id=around.run_id,
        record_dir=around.record_dir,
    )
    job = Job(
        run_id=around.run_id,
        mode=verb,
        model=record.model if record else "",
        nodes=inventory_names(choice.nodes),
        master="",
        shared_data_path="",
        timeout_s=0,
        log_dir=local_path(record.log_dir, around.cwd) if record else around.record_dir,
        notes=(*notes_of(settings, around, choice, password), *key_notes, *notes),
        settings=rows_of(verb, settings),
        given=dict(record.given) if record else {},
    )
    options = ConsoleOptions("json" if settings[OUTPUT] == "json" else "text", settings[VERBOSE])
    return Launch(job, request, options)


def _has_nodes(settings: Settings, around: Surroundings) -> bool:
    return any(settings.is_given(way) for way in WAYS) or bool(nodelist_variable(around.environ))


def _unknown_run(settings: Settings) -> UsageError:
    """Return the error for a run of which this machine has no record, and whose nodes nobody named."""
    wanted = settings[RUN_ID]
    problem = f"no run on this machine begins with {wanted!r}" if wanted else "this machine has no record of any run"
    next_step = "launcher.py list shows the runs of this machine; for another one name its nodes with -i or --nodes"
    return UsageError(problem, allowed="a run of this machine, or nodes to ask", next_step=next_step)


def _variables(verb: Mode, settings: Settings, around: Surroundings, record: RunRecord | None) -> dict[str, Any]:
    """Return the extra variables: which run, where its files go, and what the verb was told."""
    variables: dict[str, Any] = {"run_id": around.run_id or settings[RUN_ID]}
    if verb in {"attach", "collect"}:
        if settings[LOG_DIR]:
            variables["runs_dir"] = str(local_path(settings[LOG_DIR], around.cwd))
        elif record is not None:
            variables["log_dir"] = record.log_dir
        else:
            variables["runs_dir"] = str(around.record_dir)
    if verb == "logs":
        variables["follow"] = settings[FOLLOW]
        numbers = {"rank": settings[RANK], "tail": settings[TAIL]}
        variables |= {name: number for name, number in numbers.items() if number is not None}
    taken = settings_of(verb)
    times = [row for row in (LEASE_S, GRACE_S) if row in taken and settings.is_given(row)]
    return variables | {row.variable_name: settings[row] for row in times}


def _hidden(verb: Mode, settings: Settings, around: Surroundings) -> tuple[dict[str, Secret], tuple[str, ...]]:
    """Return the values to mask, and a note when the file that the run had them from is gone."""
    if ENV_FILE not in settings_of(verb):
        return {}, ()
    try:
        return read_env_file(settings, around.cwd), ()
    except SettingError as error:
        if settings.source(ENV_FILE).strength is not Strength.RECORD:
            raise
        return {}, (f"the values of the run's --env-file cannot be masked: {error.problem}",)


def _secret_variables(hidden: Mapping[str, Secret]) -> dict[str, Any]:
    return {"container_env_secret": {name: secret.reveal() for name, secret in hidden.items()}} if hidden else {}


def with_run(around: Surroundings, record: RunRecord | None) -> Surroundings:
    """Return the surroundings with the run of a record; without one only the nodes can tell which run is meant."""
    if record is None:
        return replace(around, run_id="", record_dir=around.record_dir.parent)
    return replace(around, run_id=record.run_id, record_dir=around.record_dir.parent / record.run_id)
