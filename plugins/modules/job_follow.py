#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_follow
short_description: Follow the rank of a host until it ends
version_added: 0.1.0
description:
  - Relays the lines of the rank live as C([host:rank] line) and keeps the raw log in a file per rank on the
    control node.
  - A dropped connection is tried again from the byte at which it dropped.
  - The first rank that fails stops the others, unless the plan says otherwise.
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
  started:
    description: What M(madlaunch.multinode.job) returned for this host.
    type: dict
    required: true
  node_state_dir:
    description: Where the node keeps the state of runs; empty for the state directory of the login.
    type: str
    required: true
  container_env_secret:
    description: Container environment whose values are masked in the lines and in the outcome; the raw log has them.
    type: dict
    default: {}
  attempt:
    description: Which start of the whole gang this is, counted from 0.
    type: int
    default: 0
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Follow the ranks until they end
  madlaunch.multinode.job_follow:
    plan: "{{ planned.plan }}"
    started: "{{ started }}"
    node_state_dir: ""
  register: followed
"""

RETURN = r"""
outcome:
  description: What became of the rank, with its state, exit code or signal, times, first and last lines.
  type: dict
  returned: always
"""
