#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Judge what all hosts told in the preflight
version_added: 0.1.0
description:
  - Folds the answers of all hosts into one report, each finding with what was seen, what was expected, and the
    step that mends it.
  - Fails when a finding is an error. Runs on the control node; use it with C(run_once).
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  plan:
    description: The plan that M(madlaunch.multinode.launch_plan) returned.
    type: dict
    required: true
  probed:
    description: Name of the variable in which M(madlaunch.multinode.preflight_probe) was registered.
    type: str
    required: true
  container_env_secret:
    description: More container environment, whose values are shown nowhere; see M(madlaunch.multinode.launch_plan).
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
  - madlaunch.multinode.host
"""

EXAMPLES = r"""
- name: Report the findings of all hosts
  madlaunch.multinode.preflight_report:
    plan: "{{ planned.plan }}"
    host: "{{ settings }}"
    probed: probed
  register: reported
  run_once: true
"""

RETURN = r"""
findings:
  description: Each with C(check), C(severity), C(host), C(seen), C(expected), C(fix) and C(message).
  type: list
  elements: dict
  returned: always
ok:
  description: Whether no finding is an error.
  type: bool
  returned: always
hosts:
  description: Per host the values that only the hosts could tell (version, interfaces, processes per node).
  type: dict
  returned: always
"""
