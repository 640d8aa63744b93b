# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and limits that the settings table refers to."""

from __future__ import annotations

CHECKS = (
    *("reach", "python", "madengine", "version", "model", "mad_dir", "interface", "shared_path", "shared_same"),
    *("free_space", "master_addr", "master_port", "rendezvous", "clock", "gpus", "lock", "leftovers", "forks"),
    "same_host",
)
"""The names of the preflight checks of the collection."""

ONE_YEAR_S = 365 * 24 * 3600
MAX_GRACE_S = 3600
MIN_LEASE_S = 10
"""A node must outlive a few polls that come late."""
MAX_NPROC = 1024
MAX_RESTARTS_ALLOWED = 100

GROUP_WHAT = "What to run"
GROUP_NODES = "Nodes"
GROUP_LOGIN = "Login"
GROUP_NETWORK = "Network and data"
GROUP_END = "Time and failure"
GROUP_CHECK = "Checks and dry run"
GROUP_KNOWN = "The run"
GROUP_OUTPUT = "Output and files"
