#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_stopped
short_description: Say of all hosts together whether a run has ended on them
version_added: 0.1.0
description:
  - Folds what M(madlaunch.multinode.job_stop) registered, on the control node; use it with C(run_once).
  - Fails when something is left on a host, or when a host could not be looked at.
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
options:
  run_id:
    description: The id of the run.
    type: str
    required: true
  stopped:
    description: Name of the variable in which M(madlaunch.multinode.job_stop) was registered.
    type: str
    required: true
  outcome:
    description: Outcome of a launch that was broken off; it is returned with what the stop saw.
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Say what was seen
  madlaunch.multinode.job_stopped:
    run_id: mad-20260102-030405-abcd
    stopped: stopped
  run_once: true
"""

RETURN = r"""
outcome:
  description: The outcome of the launch, each rank with how it was stopped and whether its host is clean.
  type: dict
  returned: when an outcome was given
clean:
  description: The hosts on which nothing of the run is left.
  type: list
  elements: str
  returned: always
left:
  description: Per host what could not be ended.
  type: dict
  returned: always
unverified:
  description: Per host why it could not be looked at.
  type: dict
  returned: always
"""
