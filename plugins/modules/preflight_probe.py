#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_probe
short_description: Ask a host what a launch needs to know of it
version_added: 0.1.0
description:
  - First exchange of the preflight. Gathers facts without judging them.
  - On rank 0 it also writes a nonce on the shared path and opens a listener on the master port for a moment.
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
  node_rank:
    description: The rank of this host.
    type: int
    required: true
extends_documentation_fragment:
  - madlaunch.multinode.attributes
  - madlaunch.multinode.host
"""

EXAMPLES = r"""
- name: Ask every host what it has
  madlaunch.multinode.preflight_probe:
    plan: "{{ planned.plan }}"
    node_rank: "{{ planned.plan.hosts[inventory_hostname].node_rank }}"
    host: "{{ settings }}"
  register: probed
  ignore_unreachable: true
"""

RETURN = r"""
facts:
  description: What the host has, as seen on the host.
  type: dict
  returned: when the host answered
error:
  description: Why the host could not tell.
  type: dict
  returned: when the host was reached but gave no facts
  contains:
    message:
      description: What went wrong.
      type: str
    hint:
      description: The next step.
      type: str
"""
