# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ansible-playbook that this worker belongs to.

Private to the collection. Its workers have sessions of their own (since ansible-core 2.19) and outlive it when it is
killed; they must not go on for a run that nobody watches.
"""

from __future__ import annotations

import multiprocessing
import os


def playbook_pid() -> int:
    """Return the process that started this worker.

    It was noted at the fork: who asks the system later may be told the one that adopted the worker, when
    ansible-playbook was killed before the question.
    """
    parent = multiprocessing.parent_process()
    return os.getppid() if parent is None or parent.pid is None else parent.pid


def is_playbook_gone(pid: int) -> bool:
    """Tell whether the process that `playbook_pid` named is no longer there."""
    return os.getppid() != pid
