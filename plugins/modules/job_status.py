#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_status
short_description: Ask a host which runs of this login it knows
version_added: 0.1.0
description:
  - Looks at every rank that this login has on the host, running or ended, and changes nothing.
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  run_id:
    description: Only runs whose id begins with this; empty for all.
    type: str
    default: ""
  want_plan:
    description: Whether to bring the plan of each run along.
    type: bool
    default: false
  node_state_dir:
    description: Where the node keeps the state of runs; empty for the state directory of the login.
    type: str
    required: true
  container_env_secret:
    description: Container environment whose values are masked in the last lines.
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Ask every host for its runs
  madlaunch.multinode.job_status:
    node_state_dir: ""
  register: seen
  ignore_unreachable: true
"""

RETURN = r"""
runs:
  description: Per rank its state, times, exit code or signal, last line and the age of its last output.
  type: list
  elements: dict
  returned: always
error:
  description: Why the host cannot tell.
  type: str
  returned: when it cannot
"""
