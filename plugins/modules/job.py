#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Start the rank of a host
version_added: 0.1.0
description:
  - Renders the script of the rank, writes it into the run directory of the node, and starts it detached under a
    supervisor.
  - The job itself begins when M(madlaunch.multinode.job_follow) follows the rank first, so all ranks begin together.
    A rank that is ready waits, and this task with it, until every host of the run has started.
  - A rank that could not be started does not fail the task; RV(started) is false and
    M(madlaunch.multinode.job_follow) ends the run.
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
  resolved:
    description: The entry of this host in RV(madlaunch.multinode.preflight_report#module:hosts).
    type: dict
    required: true
  container_env_secret:
    description: More container environment, whose values are shown nowhere; see M(madlaunch.multinode.launch_plan).
    type: dict
    default: {}
  attempt:
    description: Which start of the whole gang this is, counted from 0.
    type: int
    default: 0
  timeout_s:
    description: Time limit in seconds in place of that of the plan; -1 for that of the plan.
    type: int
    default: -1
extends_documentation_fragment:
  - madlaunch.multinode.attributes
  - madlaunch.multinode.host
"""

EXAMPLES = r"""
- name: Start the ranks
  madlaunch.multinode.job:
    plan: "{{ planned.plan }}"
    host: "{{ settings }}"
    resolved: "{{ reported.hosts[inventory_hostname] }}"
  register: started
"""

RETURN = r"""
started:
  description: Whether the supervisor of the rank runs.
  type: bool
  returned: always
rank_dir:
  description: The run directory of the rank on the node.
  type: str
  returned: when started
reason:
  description: Why the rank could not be started.
  type: str
  returned: when not started
stop_reason:
  description: Why the launch was being stopped already, so that the rank was not started.
  type: str
  returned: when the launch was being stopped
"""
