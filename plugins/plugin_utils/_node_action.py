# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins share: checked options, and calls of the node program over the connection of the task.

Private to the collection.
"""

from __future__ import annotations

import secrets
import shlex
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.madlaunch.multinode.plugins.module_utils import _node_call
from ansible_collections.madlaunch.multinode.plugins.module_utils._connection import hint_for
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._follow import HostLostError, NodeRefusedError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._options import task_options

NODE_SOURCES = Path(__file__).parent.parent / "module_utils" / "node"

# How sudo says that it wants a terminal.
_NO_TTY = "must have a tty"
# How Ansible says that it has no place for files, which to it is a host that cannot be reached.
_NO_FOLDER = "Failed to create temporary directory"

# The options of every action that acts for one host; documented once in doc_fragments/host.py.
HOST_OPTIONS: dict[str, dict[str, Any]] = {
    "nccl_interface": {"type": "str", "required": True},
    "gloo_interface": {"type": "str", "required": True},
    "shared_data_path": {"type": "str", "required": True},
    "madengine_path": {"type": "str", "required": True},
    "mad_dir": {"type": "str", "required": True},
    "nproc_per_node": {"type": "int", "required": True},
    "node_state_dir": {"type": "str", "required": True},
}


@dataclass(frozen=True)
class NodeAnswer:
    """What an entry of the node program returned, and the control node's clock around the call (seconds)."""

    value: dict[str, Any]
    before_s: float
    after_s: float


@cache
def node_modules(entry: str) -> list[tuple[str, str]]:
    """Return (name, source) of the modules that `entry` needs, in the order in which they import each other."""
    return [(name, (NODE_SOURCES / f"{name}.py").read_text(encoding="utf-8")) for name in _node_call.MODULES[entry]]


class NodeAction(ActionBase):
    """An action that talks to the node program; a call is one exec over the task's connection wherever it can be."""

    TRANSFERS_FILES = False
    # Those of the task; `run` sets them.
    variables: dict[str, Any]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Keep the variables of the task; an action does its own work after this."""
        self.variables = task_vars or {}
        return dict(super().run(tmp, task_vars))

    def options(self, spec: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Return the task's arguments, checked and converted by the argument `spec`."""
        return task_options(self, spec, self.variables)

    def registered(self, name: str) -> dict[str, Any]:
        """Return the variable of that name as it is; {} if there is none.

        An argument with a template in it would have Ansible copy the plan of all hosts for each of them.
        """
        return self.variables.get(name) or {}

    def call_node(self, entry: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> NodeAnswer:
        """Run `entry` of the node program on the host and return its answer.

        Raises `AnsibleConnectionFailure` when the host cannot be reached and `_node_call.NodeCallError` when it
        was reached but no Python, or the entry itself, could do what was asked.
        """
        token = secrets.token_hex(16)
        document = _node_call.document(entry, arguments, node_modules(entry), token)
        line = _node_call.shell_line(interpreter_of(task_vars))
        before_s = time.time()
        try:
            printed = self._printed(line, document, token)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            if "sshpass" in str(error):
                # Before ansible-core 2.19 a password needs that program, and the login has failed for want of it.
                raise AnsibleConnectionFailure(str(error)) from error
            # A password of sudo that is wrong or missing, a connection without its library; the other hosts have their
            # answers all the same.
            raise NodeCallError("connection", str(error), hint_for(str(error))) from error
        after_s = time.time()
        return NodeAnswer(_node_call.parse(printed, token), before_s, after_s)

    def _printed(self, line: str, document: str, token: str) -> str:
        """Return all that the host printed when `line` got `document` on its standard input."""
        if not self._connection.has_pipelining:
            return self._printed_by_file(line, document)
        printed = self._executed(line, document.encode())
        # With standard input there is no terminal, and sudoers may ask for one (requiretty).
        return self._printed_by_file(line, document) if token not in printed and _NO_TTY in printed else printed

    def _printed_by_file(self, line: str, document: str) -> str:
        """Do the same over a connection that has no standard input, as Ansible brings its modules: by a file.

        The file, which may hold secrets, is gone as soon as it is open.
        """
        try:
            folder = self._make_tmp_path()
        except AnsibleConnectionFailure as error:
            if _NO_FOLDER not in str(error):
                raise
            hint = "Name a directory that the login can write: ansible_remote_tmp in the inventory."
            raise NodeCallError("connection", "no temporary directory could be made on the host", hint) from error
        try:
            path = self._connection._shell.join_path(folder, "document")  # noqa: SLF001 - as ActionBase itself does
            self._transfer_data(path, document)
            self._fixup_perms2((folder, path), execute=False)
            return self._executed(f"exec 0<{shlex.quote(path)}; rm -f {shlex.quote(path)}; {line}", None)
        finally:
            self._remove_tmp_path(folder)

    def _executed(self, line: str, standard_input: bytes | None) -> str:
        # An explicit shell keeps Ansible from appending its `sleep 0`, which costs a process on the node.
        answer = self._low_level_execute_command(line, in_data=standard_input, executable="/bin/sh")
        return str(answer["stdout"] + answer["stderr"])

    def ask_node(self, entry: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of `entry` as following wants it.

        Raises `HostLostError` when there was none: the host was not reached, or the call was killed (no memory) or
        failed at an error of a file server, which says nothing of the rank. Raises `NodeRefusedError` when the node
        program refused.
        """
        try:
            return self.call_node(entry, arguments, task_vars).value
        except AnsibleConnectionFailure as error:
            raise HostLostError(str(error)) from error
        except NodeCallError as error:
            if error.kind != "node":
                raise HostLostError(error.message) from error
            raise NodeRefusedError(f"{error.message}; {error.hint}".rstrip("; ")) from error


def interpreter_of(task_vars: dict[str, Any]) -> str:
    """Return the Python that the inventory names for a host, or '' when it is left to be found."""
    interpreter = str(task_vars.get("ansible_python_interpreter") or "")
    return "" if interpreter.startswith("auto") else interpreter
