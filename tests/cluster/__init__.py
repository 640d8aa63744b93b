# SPDX-License-Identifier: GPL-3.0-or-later
"""Real nodes on one machine, for tests and for a first try: `Cluster` (needs root) and `LoopbackCluster`."""

from __future__ import annotations

from tests.cluster.base import AnyCluster, AnyNode
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.loopback import LoopbackCluster
from tests.cluster.namespaces import can_unshare
from tests.cluster.nodes import Node
from tests.cluster.options import ClusterOptions, NodeOptions, Shared

__all__ = [
    "AnyCluster",
    "AnyNode",
    "Cluster",
    "ClusterError",
    "ClusterOptions",
    "LoopbackCluster",
    "Node",
    "NodeOptions",
    "Shared",
    "can_unshare",
]
