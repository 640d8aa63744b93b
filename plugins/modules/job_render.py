#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_render
short_description: Show the script of a rank without starting it
version_added: 0.1.0
description:
  - Contacts no host. What only a host can tell is marked in the script; with the version V(auto) both forms are
    given.
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
  container_env_secret:
    description: More container environment, whose values are shown nowhere; see M(madlaunch.multinode.launch_plan).
    type: dict
    default: {}
extends_documentation_fragment:
  - madlaunch.multinode.attributes
  - madlaunch.multinode.host
"""

EXAMPLES = r"""
- name: Show the script of each rank
  madlaunch.multinode.job_render:
    plan: "{{ planned.plan }}"
    host: "{{ settings }}"
"""

RETURN = r"""
scripts:
  description: Per major version of madengine the text of the script, secret values masked.
  type: dict
  returned: always
unknown:
  description: The names of the values that only the host can tell.
  type: list
  elements: str
  returned: always
"""
