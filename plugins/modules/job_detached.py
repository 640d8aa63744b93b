#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_detached
short_description: Say whether every rank of a run is up
version_added: 0.1.0
description:
  - Folds what M(madlaunch.multinode.job_detach) registered, on the control node; use it with C(run_once).
  - It does not fail when a rank is not up, because the others have to be stopped first.
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
  watched:
    description: Name of the variable in which M(madlaunch.multinode.job_detach) was registered.
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
- name: Decide whether the run can be left alone
  madlaunch.multinode.job_detached:
    plan: "{{ planned.plan }}"
    watched: watched
    resolved: "{{ reported.hosts }}"
  register: decided
  run_once: true
"""

RETURN = r"""
up:
  description: Whether every rank is up.
  type: bool
  returned: always
outcome:
  description: The outcome of the launch, with the state C(detached) when every rank is up.
  type: dict
  returned: always
"""
