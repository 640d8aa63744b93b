# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what the hosts told: every finding of every host in one report, and the values only hosts could tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils import _command, _findings
from ansible_collections.madlaunch.multinode.plugins.module_utils._connection import hint_for
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _script
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import HOST_OPTIONS
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._options import task_options
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._preflight import resolved_interface
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._ways import login_variable

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "host": {"type": "dict", "required": True, "options": HOST_OPTIONS},
    "probed": {"type": "str", "required": True},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}
# Before ansible-core 2.19 the message of a failed task is one line of JSON; since then it is shown as it is.
_HIDES_LINES = tuple(int(part) for part in __version__.split(".")[:2]) < (2, 19)
_LOGIN = {"user": "ansible_user", "port": "ansible_port", "key": "ansible_ssh_private_key_file"}


class ActionModule(ActionBase):
    """Folds the answers of all hosts into findings; fails when one of them is an error."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `findings` and per host the `resolved` values; failed when a finding is an error."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = task_options(self, ARGUMENT_SPEC, task_vars or {})
        if ControlDir(Path(options["plan"]["log_dir"])).user_request() is not None:
            return {**result, "failed": True, "msg": "The launch was interrupted; nothing was started."}
        hostvars = (task_vars or {})["hostvars"]
        answers = {name: _answers(hostvars[name].get(options["probed"]) or {}) for name in options["plan"]["hosts"]}
        plan = _with_settings(options, answers, hostvars)
        probes = {name: probe for name, (probe, _confirm) in answers.items()}
        confirms = {name: confirm for name, (_probe, confirm) in answers.items()}
        findings = _findings.evaluate(plan, probes, confirms)
        hosts = {name: _resolved(plan["hosts"][name], probes[name]) for name in plan["hosts"]}
        # A host without GPUs or interface has its finding already, and cannot have a command either.
        spoiled = {finding["host"] for finding in findings if finding["severity"] == "error"}
        sound = [name for name in hosts if name not in spoiled]
        full = _script.with_secrets(plan, options["container_env_secret"])
        findings += [finding for name in sound for finding in _command_findings(full, name, hosts[name])]
        errors = [finding for finding in findings if finding["severity"] == "error"]
        offsets = _findings.clock_offsets_s(plan, probes, confirms)
        for name, offset_s in offsets.items():
            hosts[name]["clock_offset_s"] = offset_s
        report = {"ok": not errors, "findings": findings, "hosts": hosts}
        # Only there: to Ansible, a result whose own `skipped` is not empty is a task that was not run.
        told = {"kind": "preflight", "skipped": plan["skip_checks"], **report}
        result.update(changed=False, failed=bool(errors), madlaunch=told, **report)
        result["msg"] = _summary(findings, len(errors))
        if errors and (self._task.no_log or _HIDES_LINES):
            # An estate that hides all results would hide why nothing was started; no value of a secret is in there.
            Display().display(result["msg"])
        return result


def _answers(registered: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a host told in the two exchanges, an unreachable host included."""
    if registered.get("unreachable"):
        return {"unreachable": str(registered.get("msg", ""))}, {}
    if registered.get("failed"):
        # Ansible gave the host up before or in its task: a connection that cannot even begin, or an error of ours.
        said = str(registered.get("msg", ""))
        hint = hint_for(said) if "connection" in said else "Run again with -vvv to see where it failed."
        return {"error": {"message": said, "hint": hint}}, {}
    first: dict[str, Any] = {key: registered[key] for key in ("facts", "error", "settings") if key in registered}
    return first, dict(registered.get("confirmed") or {})


def _with_settings(
    options: dict[str, Any], answers: dict[str, tuple[dict[str, Any], dict[str, Any]]], hostvars: Any
) -> dict[str, Any]:
    """Return the plan in which each host also has its own settings (those of this host for one that did not answer).

    `user`, `port` and `key` are those of its login, None where the inventory leaves them to ssh.
    """
    plan = options["plan"]
    hosts = {}
    for name, place in plan["hosts"].items():
        settings = answers[name][0].get("settings") or options["host"]
        login = {word: login_variable(hostvars[name], variable) for word, variable in _LOGIN.items()}
        hosts[name] = {**settings, **place, **login}
    return {**plan, "hosts": hosts}


def _resolved(host: dict[str, Any], probe: dict[str, Any]) -> dict[str, Any]:
    facts = probe.get("facts") or {}
    madengine = facts.get("madengine") or {}
    return {
        "node_rank": host["node_rank"],
        "madengine_version": madengine.get("version"),
        "madengine_major": madengine.get("major"),
        "gpu_count": (facts.get("gpus") or {}).get("count") or 0,
        "nproc_per_node": host["nproc_per_node"] or (facts.get("gpus") or {}).get("count") or 0,
        "nccl_interface": resolved_interface(host["nccl_interface"], facts),
        "gloo_interface": resolved_interface(host["gloo_interface"], facts),
    }


def _command_findings(plan: dict[str, Any], name: str, resolved: dict[str, Any]) -> list[dict[str, Any]]:
    """Return why the command of a host cannot be written; [] if it can, or if madengine is not known anyway."""
    if resolved["madengine_major"] not in (1, 2):
        return []
    found = {key: resolved[key] for key in ("nproc_per_node", "nccl_interface", "gloo_interface")}
    try:
        command = _command.build(plan, {**plan["hosts"][name], **found, "host": name}, resolved["madengine_major"])
    except _command.CommandError as error:
        return [_command_finding(name, error.message, error.hint)]
    if command.unresolved:
        message = f"The host did not tell a value that the command needs: {', '.join(command.unresolved)}."
        return [
            _command_finding(name, message, "Give the value: --nproc-per-node, --nccl-interface, --gloo-interface.")
        ]
    return []


def _command_finding(name: str, message: str, hint: str) -> dict[str, Any]:
    finding = {"check": "command", "severity": "error", "host": name, "seen": "", "expected": ""}
    return {**finding, "fix": hint, "message": message}


def _summary(findings: list[dict[str, Any]], error_count: int) -> str:
    """Return one line when all is well, else each finding in lines that can be read in any Ansible output."""
    if not findings:
        return "Preflight found nothing to complain of."
    errors = f"{error_count or 'no'} error{'' if error_count == 1 else 's'}"
    lines = [f"Preflight found {errors}; " + ("nothing was started." if error_count else "the launch goes on.")]
    for finding in findings:
        where = f" on {finding['host']}" if finding["host"] else ""
        lines.append(f"{finding['severity']}: {finding['check']}{where}: {finding['message']} Fix: {finding['fix']}")
    return "\n".join(lines)
