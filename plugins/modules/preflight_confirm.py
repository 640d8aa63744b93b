#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_confirm
short_description: Let a host confirm what only two hosts together can show
version_added: 0.1.0
description:
  - Second exchange of the preflight. Reads the nonce of rank 0 on the shared path and reaches rank 0 on the
    master port through the chosen interface.
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
  probed:
    description: Name of the variable in which M(madlaunch.multinode.preflight_probe) was registered.
    type: str
    required: true
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Confirm the shared path and the rendezvous
  madlaunch.multinode.preflight_confirm:
    plan: "{{ planned.plan }}"
    node_rank: "{{ planned.plan.hosts[inventory_hostname].node_rank }}"
    probed: probed
  register: confirmed
  ignore_unreachable: true
"""

RETURN = r"""
facts:
  description: What was seen.
  type: dict
  returned: when the host answered
error:
  description: Why the host could not tell.
  type: dict
  returned: when the host was reached but gave no facts
"""
