# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of a task, checked and converted, also those that a survey or YAML changed on the way.

Private to the collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible_collections.madlaunch.multinode.plugins.module_utils._awx import job_of
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError
from ansible_collections.madlaunch.multinode.plugins.module_utils._retyped import settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible.plugins.action import ActionBase


def checked_options(
    action: ActionBase, spec: dict[str, dict[str, Any]], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of the action's task by `spec`. Raises `PlanError` for a text that is none any more.

    `variables` are those of the task; they tell whether AWX has brought the values.
    """
    in_awx = job_of(variables) is not None
    action._task.args = settle(spec, action._task.args, in_awx=in_awx)  # noqa: SLF001 - actions are given their task no other way
    _validation, options = action.validate_argument_spec(argument_spec=spec)
    return dict(options)


def task_options(action: ActionBase, spec: dict[str, dict[str, Any]], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the action's task by `spec`; a text that is none any more fails the task."""
    try:
        return checked_options(action, spec, variables)
    except PlanError as error:
        message = f"{error.message} {error.hint}"
        raise AnsibleActionFail(message) from error
