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
outcome:
  description: The state of the run, the exit code, the first failure, the outcome per rank, and where the results lie.
  type: dict
  returned: always
"""
