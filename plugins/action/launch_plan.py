# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a launch on the control node: no host is contacted."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.madlaunch.multinode.plugins.module_utils import (
    _awx,
    _command,
    _connection,
    _findings,
    _given,
    _limits,
    _plan,
    _play,
    _shown,
)
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _script
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._machine import machine
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import HOST_OPTIONS
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._options import checked_options
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._play_of import play_of
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._ways import login_variable, ways_of

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "model": {"type": "str", "required": True},
    "master_addr": {"type": "str", "default": ""},
    "master_port": {"type": "int", "default": 4000},
    "timeout_s": {"type": "int", "default": 3600},
    "grace_s": {"type": "int", "default": 15},
    "lease_s": {"type": "int", "default": 60},
    "on_failure": {"type": "str", "choices": ["stop", "wait"], "default": "stop"},
    "silence_timeout_s": {"type": "int", "default": 0},
    "max_restarts": {"type": "int", "default": 0},
    "fold": {"type": "bool", "default": False},
    "show_ranks": {"type": "str", "default": "auto"},
    "share_hosts": {"type": "bool", "default": False},
    "additional_args": {"type": "str", "default": ""},
    "run_id": {"type": "str", "default": ""},
    "nnodes": {"type": "int", "default": 0},
    "madengine_version": {"type": "str", "choices": ["auto", "1", "2"], "default": "auto"},
    "runner": {"type": "str", "default": "torchrun"},
    "container_env": {"type": "dict", "default": {}},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
    "in_place": {"type": "bool", "default": False},
    "detach": {"type": "bool", "default": False},
    "skip_checks": {"type": "list", "elements": "str", "default": []},
    # Not of type path, which would also put environment variables in.
    "log_dir": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """Checks the request, gives every host its rank and names the run."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan under `plan`; a request that makes no sense fails the task and names the option."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        job = _awx.job_of(task_vars or {})
        play = play_of(self._task, task_vars or {})
        try:
            options = checked_options(self, ARGUMENT_SPEC, task_vars or {})
            _play.check_in_step(play)
            _play.check_complete(play)
            _play.check_alike(settings_of(task_vars or {}))
            hosts = hosts_of(task_vars or {})
            _connection.check(ways_of(self._task, task_vars or {}))
            if job is not None:
                # In AWX nobody can say in which order the hosts of an inventory or of a group come.
                hosts.sort(key=lambda host: _awx.by_name(host.name))
            plan = _plan.make_plan(request_of(options, job), hosts, _findings.CHECKS)
            check_shown(plan, job)
            _command.validate(_script.with_secrets(plan, options["container_env_secret"]))
            _given.check(load_extra_vars(self._loader), {*ARGUMENT_SPEC, *HOST_OPTIONS, "node_rank", "target"})
            if not self._play_context.check_mode:
                _limits.check(min(int(str(plan["forks"])) or len(hosts), len(hosts)), machine())
                claim(plan)
        except (_plan.PlanError, _command.CommandError) as error:
            return {**result, **refusal(error)}
        result.update(changed=False, plan=plan, madlaunch={"kind": "plan", "plan": plan})
        return result


def check_shown(plan: dict[str, Any], job: _awx.Job | None) -> None:
    """Raise `_plan.PlanError` for what AWX could not do, or when no rank would be shown."""
    _shown.ranks_shown(plan["show_ranks"], plan["nnodes"], in_awx=job is not None, fold=plan["fold"])
    if job is not None:
        _awx.check(job, plan["lease_s"], detach=plan["detach"])


def request_of(options: dict[str, Any], job: _awx.Job | None = None) -> _plan.Request:
    """Return the typed request of the task's options; secret values stay behind, only their names go on."""
    # A job of AWX ends without a word: whoever looks for its run must know the name of it.
    run_id = options["run_id"] or (job.run_id if job else new_run_id())
    secret = {str(name): str(value) for name, value in options["container_env_secret"].items()}
    given = {name: options[name] for name in options if name != "container_env_secret"}
    given.update(
        run_id=run_id,
        container_env={str(name): str(value) for name, value in options["container_env"].items()},
        secret_names=tuple(secret),
        skip_checks=tuple(options["skip_checks"]),
        log_dir=given_log_dir(options["log_dir"]) if options["log_dir"] else default_log_dir(run_id),
        nonce=secrets.token_hex(16),
        forks=int(context.CLIARGS.get("forks") or 0),
    )
    return _plan.Request(**given)


def claim(plan: dict[str, Any]) -> None:
    """Take the run's directory; raises `_plan.PlanError` when it is that of another launch, of now or of before."""
    log_dir = Path(str(plan["log_dir"]))
    option = "run_id" if log_dir.name == plan["run_id"] else "log_dir"
    try:
        claimed = ControlDir(log_dir).claim(str(plan["run_id"]))
    except OSError as error:
        raise unwritable_log_dir(str(log_dir), str(error.strerror)) from error
    if not claimed:
        message = f"The directory {log_dir} is that of another launch already."
        raise _plan.PlanError(option, message, f"Give another {option}, or none: then each launch has its own.")


def new_run_id() -> str:
    """Return a run id of the time in UTC and four random characters: `mad-20261122-190122-9f3c`."""
    return time.strftime("mad-%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)


def given_log_dir(text: str) -> str:
    """Return the directory that was asked for, `~` replaced. Raises `PlanError` for the home of an unknown user."""
    try:
        return str(Path(text).expanduser())
    except RuntimeError as error:
        raise unwritable_log_dir(text, "there is no such home directory") from error


def unwritable_log_dir(log_dir: str, reason: str) -> _plan.PlanError:
    """Return the error for a directory in which the run's files cannot be kept."""
    message = f"log_dir cannot be written on the control node: {log_dir}: {reason}."
    hint = "Make room or correct its permissions, or give another directory: --log-dir DIR (variable log_dir)."
    return _plan.PlanError("log_dir", message, hint)


def default_log_dir(run_id: str) -> str:
    """Return where the files of a run lie on the control node when nothing else is said (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return str(Path(state).expanduser() / "madlaunch" / "runs" / run_id)


def hosts_of(task_vars: dict[str, Any]) -> list[_plan.HostInput]:
    """Return the hosts of the play in its order, with what the inventory says of each."""
    hostvars = task_vars["hostvars"]
    hosts = []
    for name in task_vars["ansible_play_hosts_all"]:
        variables = hostvars[name]
        for option in HOST_OPTIONS:
            # A template of one host that cannot be filled in fails here, and not later, when the others wait for it.
            variables.get(option)
        rank = _plan.node_rank_of(str(name), variables.get("node_rank"))
        address = str(login_variable(variables, "ansible_host") or name)
        hosts.append(_plan.HostInput(str(name), address, rank))
    return hosts


def settings_of(task_vars: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return per host what the inventory gives of the settings of the run, None for what it leaves out."""
    hostvars = task_vars["hostvars"]
    return {
        str(name): {option: variables.get(option) for option in ARGUMENT_SPEC}
        for name, variables in ((name, hostvars[name]) for name in task_vars["ansible_play_hosts_all"])
    }


def refusal(error: _plan.PlanError | _command.CommandError) -> dict[str, Any]:
    """Return the failed result for a request that was refused."""
    option = getattr(error, "option", "")
    refused = {"kind": "refused", "option": option, "message": error.message, "hint": error.hint}
    return {"failed": True, "msg": f"{error.message} {error.hint}", "madlaunch": refused}
