# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of test nodes as AWX hands it to a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cluster.base import AnyCluster


def inventory(cluster: AnyCluster, names: Sequence[str]) -> dict[str, Any]:
    """Return the document of the inventory script; `names` are those of the hosts, in the order of the nodes.

    The private key is not in it: AWX gives that to an agent. AWX sorts the hosts of `all` by name.
    """
    of_all = {name: value for name, value in cluster.inventory_vars().items() if "private_key" not in name}
    hosts = {
        name: {"ansible_host": node.address, "ansible_port": node.port, **_awx_adds(number)}
        for number, (name, node) in enumerate(zip(names, cluster.hosts, strict=False), start=1)
    }
    return {"all": {"hosts": sorted(hosts), "vars": of_all}, "_meta": {"hostvars": hosts}}


def _awx_adds(number: int) -> dict[str, Any]:
    return {"remote_tower_enabled": "true", "remote_tower_id": number, "remote_host_enabled": "true"}
