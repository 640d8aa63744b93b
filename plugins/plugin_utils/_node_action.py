# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins share: checked options, and calls of the node program over the connection of the task.

Private to the collection.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.madlaunch.multinode.plugins.module_utils import _node_call
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._follow import HostLostError, NodeRefusedError

NODE_SOURCES = Path(__file__).parent.parent / "module_utils" / "node"

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
    """An action that talks to the node program; every call is one exec over the task's connection."""

    TRANSFERS_FILES = False

    def options(self, spec: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Return the task's arguments, checked and converted by the argument `spec`."""
        _validation, arguments = self.validate_argument_spec(argument_spec=spec)
        return dict(arguments)

    def call_node(self, entry: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> NodeAnswer:
        """Run `entry` of the node program on the host and return its answer.

        Raises `AnsibleConnectionFailure` when the host cannot be reached and `_node_call.NodeCallError` when it
        was reached but no Python, or the entry itself, could do what was asked.
        """
        token = secrets.token_hex(16)
        document = _node_call.document(entry, arguments, node_modules(entry), token)
        line = _node_call.shell_line(interpreter_of(task_vars))
        before_s = time.time()
        # An explicit shell keeps Ansible from appending its `sleep 0`, which costs a process on the node.
        answer = self._low_level_execute_command(line, in_data=document.encode(), executable="/bin/sh")
        after_s = time.time()
        return NodeAnswer(_node_call.parse(answer["stdout"] + answer["stderr"], token), before_s, after_s)

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
