# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play in which an action runs, as far as a launch needs to know it.

Private to the collection.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.madlaunch.multinode.plugins.module_utils._play import Play


def play_of(task: Any, task_vars: dict[str, Any]) -> Play:  # noqa: ANN401 - Ansible has no types
    """Return the play of a task that runs now."""
    return Play(
        hosts=[str(name) for name in task_vars["ansible_play_hosts_all"]],
        remaining=[str(name) for name in task_vars["ansible_play_hosts"]],
        batch=[str(name) for name in task_vars["ansible_play_batch"]],
        strategy=str(task.get_play().strategy),
    )
