#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_stop
short_description: End a run on a host
version_added: 0.1.0
description:
  - Stops every rank of the run on this host, waits, looks again, and says what is left.
  - It can be repeated at any time. A start of the run that comes later is refused.
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  run_id:
    description: The id of the run.
    type: str
    required: true
  node_state_dir:
    description: Where the node keeps the state of runs; empty for the state directory of the login.
    type: str
    required: true
  grace_s:
    description: Seconds between SIGINT, SIGTERM and SIGKILL.
    type: int
    default: 15
  reason:
    description: Why the run is stopped, for its record.
    type: str
    default: user
  look_only:
    description: Only look what is left of the run; nothing is ended.
    type: bool
    default: false
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: End the run on every host
  madlaunch.multinode.job_stop:
    run_id: mad-20260102-030405-abcd
    node_state_dir: ""
  register: stopped
  ignore_unreachable: true
"""

RETURN = r"""
found:
  description: Whether anything of the run was on the host.
  type: bool
  returned: when the host could look
clean:
  description: Whether nothing of the run is left, as seen after the stop; in check mode, whether nothing runs now.
  type: bool
  returned: always
processes_left:
  description: The processes that could not be ended.
  type: list
  elements: dict
  returned: when the host could look
containers_left:
  description: The containers that could not be removed.
  type: list
  elements: str
  returned: when the host could look
error:
  description: Why the host could not look.
  type: str
  returned: when it could not
"""
