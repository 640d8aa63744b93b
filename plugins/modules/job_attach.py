#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_attach
short_description: Take the rank of a host over again
version_added: 0.1.0
description:
  - Follows a rank that was started before from the first byte of its log, as M(madlaunch.multinode.job_follow) does,
    and renews its lease. What the log on the control node has already is not written again.
  - Without O(wait) it brings home what there is, shows nothing, and leaves lease and gang alone.
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: none
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
  attempt:
    description: RV(madlaunch.multinode.job_select#module:attempt).
    type: int
    default: 0
  wait:
    description: Whether to follow the rank until it has ended.
    type: bool
    default: true
  lease_s:
    description: The lease from now on, in seconds; -1 for that of the run.
    type: int
    default: -1
  grace_s:
    description: Seconds between the signals when the rank is stopped; -1 for those of the run.
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
- name: Follow the ranks until they end
  madlaunch.multinode.job_attach:
    plan: "{{ selected.plan }}"
    status: "{{ selected.status }}"
    node_state_dir: ""
  register: followed
"""

RETURN = r"""
outcome:
  description: What became of the rank, with its state, exit code or signal, times, first and last lines.
  type: dict
  returned: when the rank has ended
running:
  description: That the rank has not ended.
  type: bool
  returned: without O(wait), when the rank has not ended
"""
