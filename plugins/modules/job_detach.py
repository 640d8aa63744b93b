#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_detach
short_description: Leave the rank of a host alone
version_added: 0.1.0
description:
  - In state V(up) it watches the rank for a moment, to see that it does not end at once.
  - In state V(alone) it lifts the lease of the rank, which then goes on without a control node.
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
  state:
    description: What to do.
    type: str
    choices: [up, alone]
    required: true
  settle_s:
    description: For how many seconds the rank is watched.
    type: int
    default: 3
  node_state_dir:
    description: Where the node keeps the state of runs; empty for the state directory of the login.
    type: str
    required: true
  container_env_secret:
    description: Container environment whose values are masked in what is shown.
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Look whether every rank is up
  madlaunch.multinode.job_detach:
    state: up
    plan: "{{ planned.plan }}"
    started: "{{ started }}"
    node_state_dir: ""
  register: watched
"""

RETURN = r"""
outcome:
  description: What became of the rank so far; its state is C(running) when it is up.
  type: dict
  returned: O(state=up)
"""
