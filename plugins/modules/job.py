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
    support: full
    details: Shows the script that was written, without the secret values.
options:
  planned:
    description: Name of the variable in which M(madlaunch.multinode.launch_plan) was registered.
    type: str
    required: true
  probed:
    description: Name of the variable in which M(madlaunch.multinode.preflight_probe) was registered.
    type: str
    required: true
  reported:
    description: Name of the variable in which M(madlaunch.multinode.preflight_report) was registered.
    type: str
    required: true
  resulted:
    description:
      - Name of the variable in which M(madlaunch.multinode.job_result) was registered, if there was an attempt before.
      - It says which attempt this is, and how much is left of the time limit.
    type: str
    default: ""
  container_env_secret:
    description: More container environment, whose values are shown nowhere; see M(madlaunch.multinode.launch_plan).
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Start the ranks
  madlaunch.multinode.job:
    planned: planned
    probed: probed
    reported: reported
  register: started
"""

RETURN = r"""
started:
  description: Whether the supervisor of the rank runs.
  type: bool
  returned: always
attempt:
  description: Which start of the whole gang this is, counted from 0.
  type: int
  returned: always
node_state_dir:
  description: Where the node keeps the state of runs; empty for the state directory of the login.
  type: str
  returned: always
rank_dir:
  description: The run directory of the rank on the node.
  type: str
  returned: when started
reason:
  description: Why the rank could not be started.
  type: str
  returned: when not started
never_there:
  description: Whether it is certain that this launch has left nothing on the host.
  type: bool
  returned: when not started
stop_reason:
  description: Why the launch was being stopped already, so that the rank was not started.
  type: str
  returned: when the launch was being stopped
"""
