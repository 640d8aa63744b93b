#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_logs
short_description: Show what the rank of a host has printed
version_added: 0.1.0
description:
  - Shows the lines as C([host:rank] line), without renewing the lease of the run and without taking part in it.
  - The lines come while the task runs, as in M(madlaunch.multinode.job_follow).
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  plan:
    description: RV(madlaunch.multinode.job_select#module:plan).
    type: dict
    required: true
  status:
    description: RV(madlaunch.multinode.job_select#module:status).
    type: dict
    required: true
  node_state_dir:
    description: Where the node keeps the state of runs; empty for the state directory of the login.
    type: str
    required: true
  wait:
    description: Whether to stay until the rank has ended.
    type: bool
    default: false
  rank:
    description: Only the rank with this number; -1 for all.
    type: int
    default: -1
  tail:
    description: Only so many last lines of what is there; -1 for all.
    type: int
    default: -1
  container_env_secret:
    description: Container environment whose values are masked in what is shown.
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Show the last ten lines of every rank
  madlaunch.multinode.job_logs:
    plan: "{{ selected.plan }}"
    status: "{{ selected.status }}"
    node_state_dir: ""
    tail: 10
"""

RETURN = r"""
state:
  description: The state of the rank after the last line that was shown.
  type: str
  returned: success
"""
