# SPDX-License-Identifier: GPL-3.0-or-later
"""Test nodes for the integration tests."""

from __future__ import annotations

from tests.cluster.fixtures import _namespaces, cluster, make_cluster, node_cluster, session_cluster

__all__ = ["_namespaces", "cluster", "make_cluster", "node_cluster", "session_cluster"]
