#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_result
short_description: Judge a run and merge the results of its ranks
version_added: 0.1.0
description:
  - Folds the outcomes of all ranks into one, names the first failure, and merges the result rows of all ranks
    into one C(perf.csv) with C(node_rank) and C(host).
  - Says on how many hosts it was seen that nothing of the run is left, and names the others.
  - Fails when the run was not good. Runs on the control node; use it with C(run_once).
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
options:
  plan:
    description: The plan that M(madlaunch.multinode.launch_plan) returned.
    type: dict
    required: true
  followed:
    description: Name of the variable in which M(madlaunch.multinode.job_follow) was registered.
    type: str
    required: true
  resolved:
    description: RV(madlaunch.multinode.preflight_report#module:hosts).
    type: dict
    required: true
  attempt:
    description: Which start of the whole gang this is, counted from 0.
    type: int
    default: 0
  may_restart:
    description: Whether the run may be started again after a failure, as the plan allows.
    type: bool
    default: false
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Merge the results and judge the run
  madlaunch.multinode.job_result:
    plan: "{{ planned.plan }}"
    followed: followed
    resolved: "{{ reported.hosts }}"
  run_once: true
"""

RETURN = r"""
restart:
  description: Whether the whole gang is to be started again; the task does not fail then.
  type: bool
  returned: always
next_attempt:
  description: The number of the next start.
  type: int
  returned: when restart
timeout_left_s:
  description: Seconds that are left of the time limit of the run; -1 when it has none.
  type: int
  returned: when restart
outcome:
  description: The state of the run, the exit code, the first failure, the outcome per rank, and where the results lie.
  type: dict
  returned: always
summary:
  description:
    - The same with the run id and the model, without the lines of the ranks but for those of the one that failed first.
    - It is short enough to be handed on by M(ansible.builtin.set_stats).
  type: dict
  returned: when not restart
"""
