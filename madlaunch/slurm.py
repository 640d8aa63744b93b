# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a Slurm allocation, from its environment (https://slurm.schedmd.com/srun.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from madlaunch.hostlist import Node, parse_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

NODELIST_VARIABLES = ("SLURM_JOB_NODELIST", "SLURM_NODELIST")
"""The second is the older name of the first."""


def nodelist_variable(environ: Mapping[str, str]) -> str:
    """Return the name of the variable that holds the allocation's nodes, '' outside an allocation."""
    return next((name for name in NODELIST_VARIABLES if environ.get(name)), "")


def allocated_nodes(environ: Mapping[str, str]) -> tuple[Node, ...]:
    """Return the nodes of the allocation in Slurm's order, none outside an allocation.

    Raises:
        ValueError: Slurm's list cannot be read.

    """
    name = nodelist_variable(environ)
    return parse_nodes(environ[name]) if name else ()
