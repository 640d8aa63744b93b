#!/usr/bin/python
# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; the action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: launch_plan
short_description: Plan one distributed training over the hosts of the play
version_added: 0.1.0
description:
  - Decides which host is which rank, checks the request, and names the run.
  - Runs on the control node and contacts no host; use it with C(run_once).
  - Ranks come from the host variable C(node_rank) if all hosts have it, else from the order of the play, in
    which the host that O(master_addr) names is moved to the front.
author:
  - The madlaunch contributors (@madlaunch)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  model:
    description: The tag of the model, as C(madengine discover) lists it.
    type: str
    required: true
  master_addr:
    description: Address of rank 0 for the rendezvous; empty for the address of the first host.
    type: str
    default: ""
  master_port:
    description: Port of the rendezvous on rank 0.
    type: int
    default: 4000
  timeout_s:
    description: Wall-clock limit of the run in seconds, kept on the nodes; 0 for none.
    type: int
    default: 3600
  grace_s:
    description: Seconds between SIGINT, SIGTERM and SIGKILL when a rank is stopped.
    type: int
    default: 15
  lease_s:
    description: Seconds without a sign of life of the control node after which a rank is stopped; 0 for never.
    type: int
    default: 60
  on_failure:
    description: Whether the first rank that fails stops the others.
    type: str
    choices: [stop, wait]
    default: stop
  silence_timeout_s:
    description: Seconds without a line of any rank after which all are stopped, with a stack dump of each; 0 for never.
    type: int
    default: 0
  max_restarts:
    description: How often the whole gang is started again after a failure, within the time limit of the run.
    type: int
    default: 0
  fold:
    description: Show a line that several ranks print within a second once; the logs hold every line.
    type: bool
    default: false
  show_ranks:
    description:
      - The ranks whose lines are shown, like V(0,2-3) or V(all); the logs hold all of them.
      - V(auto) is all of them, in AWX rank 0 alone unless lines are folded.
    type: str
    default: auto
  share_hosts:
    description: Run beside another run that has the same master port or the same GPUs.
    type: bool
    default: false
  additional_args:
    description: More arguments for C(madengine run), split in words as a shell would.
    type: str
    default: ""
  run_id:
    description: Name of the run; empty to make one of the time, in AWX of the id of the job.
    type: str
    default: ""
  nnodes:
    description: Number of hosts that the play must have; 0 not to check it.
    type: int
    default: 0
  madengine_version:
    description: Major version of madengine on the hosts; V(auto) asks them.
    type: str
    choices: [auto, "1", "2"]
    default: auto
  runner:
    description: The distributed runner inside the containers.
    type: str
    default: torchrun
  container_env:
    description: Environment variables for the containers.
    type: dict
    default: {}
  container_env_secret:
    description: More of them, whose values are shown nowhere.
    type: dict
    default: {}
  in_place:
    description: Run in the MAD checkout itself, not in a fresh copy.
    type: bool
    default: false
  detach:
    description: Leave the run alone as soon as every rank is up; it then has no lease.
    type: bool
    default: false
  skip_checks:
    description: Names of preflight checks to leave out.
    type: list
    elements: str
    default: []
  log_dir:
    description: Directory on the control node for the files of the run; empty for the state directory of the user.
    type: str
    default: ""
extends_documentation_fragment:
  - madlaunch.multinode.attributes
"""

EXAMPLES = r"""
- name: Plan a launch on all hosts of the play
  madlaunch.multinode.launch_plan:
    model: pyt_megatron_lm_train_llama2_7b
    master_port: 5000
  register: planned
  run_once: true
"""

RETURN = r"""
plan:
  description: The request with all its values, and RV(plan.hosts) in the order of the ranks.
  type: dict
  returned: success
  contains:
    run_id:
      description: Name of the run.
      type: str
    nnodes:
      description: Number of hosts.
      type: int
    hosts:
      description: Per inventory name the C(node_rank) and the C(address).
      type: dict
"""
