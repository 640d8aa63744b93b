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
  - The preflight's two exchanges with a host, which gather facts without judging them.
  - In the first, rank 0 also writes a nonce on the shared path and opens a listener on the master port for a moment.
  - In the second, each host reads the nonce on its own shared path and reaches rank 0 on the master port through the
    chosen interface. It needs what rank 0 told in the first, so the hosts wait for it; they must all run at once.
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
extends_documentation_fragment:
  - madlaunch.multinode.attributes
  - madlaunch.multinode.host
"""

EXAMPLES = r"""
- name: Ask every host what it has
  madlaunch.multinode.preflight_probe:
    planned: planned
    host: "{{ settings }}"
  register: probed
  ignore_unreachable: true
"""

RETURN = r"""
facts:
  description: What the host has, as seen on the host.
  type: dict
  returned: when the host answered
confirmed:
  description: What the second exchange showed, as C(facts), C(error) or C(unreachable); empty if there was none.
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
