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
  planned:
    description: Name of the variable in which M(madlaunch.multinode.launch_plan) was registered.
    type: str
    required: true
  started:
    description: Name of the variable in which M(madlaunch.multinode.job) was registered.
    type: str
    required: true
  container_env_secret:
    description: Container environment whose values are masked in the lines and in the outcome; the raw log has them.
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Follow the ranks until they end
  madlaunch.multinode.job_follow:
    planned: planned
    started: started
  register: followed
"""

RETURN = r"""
outcome:
  description: What became of the rank, with its state, exit code or signal, times, first and last lines.
  type: dict
  returned: always
"""
