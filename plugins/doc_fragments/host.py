# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that may differ from host to host, documented once."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the actions that act for one host."""

    DOCUMENTATION = r"""
options:
  host:
    description: The settings of this host.
    type: dict
    required: true
    suboptions:
      nccl_interface:
        description: Network interface for NCCL; V(auto) for that of the route to the master, empty to leave it out.
        type: str
        required: true
      gloo_interface:
        description: Network interface for Gloo; V(auto) and empty as for O(host.nccl_interface).
        type: str
        required: true
      shared_data_path:
        description: The shared file system for data; empty for none.
        type: str
        required: true
      madengine_path:
        description: The madengine executable.
        type: str
        required: true
      mad_dir:
        description: The MAD checkout.
        type: str
        required: true
      nproc_per_node:
        description: Processes of this host; 0 to count its GPUs.
        type: int
        required: true
      node_state_dir:
        description: Where the node keeps the state of runs; empty for the state directory of the login.
        type: str
        required: true
"""
