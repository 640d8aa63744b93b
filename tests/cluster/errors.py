# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the test cluster."""

from __future__ import annotations


class ClusterError(Exception):
    """A node, a network or an SSH server could not be made; the message says which and what to do."""
