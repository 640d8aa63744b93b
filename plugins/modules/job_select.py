#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_select
short_description: Choose a run from what all hosts told, and say how it stands
version_added: 0.1.0
description:
  - Runs on the control node over what M(madlaunch.multinode.job_status) registered; use it with C(run_once).
  - Fails when no run or more than one is meant, and for V(attach) when ranks of the run were not found.
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  run_id:
    description: The id of a run, or the beginning of just one; empty for the newest.
    type: str
    default: ""
  seen:
    description: Name of the variable in which M(madlaunch.multinode.job_status) was registered.
    type: str
    required: true
  purpose:
    description: What the run is looked up for.
    type: str
    choices: [list, status, logs, attach, stop, collect]
    required: true
  log_dir:
    description: Directory on the control node for the files of the run; empty for that of its id below O(runs_dir).
    type: str
    default: ""
  runs_dir:
    description: Directory on the control node with a directory per run; empty for the state directory of the user.
    type: str
    default: ""
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Choose the newest run
  madlaunch.multinode.job_select:
    seen: seen
    purpose: status
  register: selected
  run_once: true
"""

RETURN = r"""
run_id:
  description: The id of the run.
  type: str
  returned: success, unless O(purpose=list)
plan:
  description: The plan as the hosts keep it, with the names that the hosts have in this play.
  type: dict
  returned: success, unless O(purpose=list)
status:
  description: The state of the run, its ranks, the ranks that no host told of, and the hosts that were not reached.
  type: dict
  returned: success, unless O(purpose=list)
resolved:
  description: What the preflight of the run had found, per host.
  type: dict
  returned: success, unless O(purpose=list)
attempt:
  description: The newest attempt of the run, 0 for the first.
  type: int
  returned: success, unless O(purpose=list)
runs:
  description: All runs that the hosts know, the newest first.
  type: list
  elements: dict
  returned: O(purpose=list)
"""
