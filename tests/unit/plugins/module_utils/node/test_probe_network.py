# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces of a host, and the way to the master, asked of the real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import probe_network
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.interface_names import (
    matching_gloo,
    matching_nccl,
)

# A network of its own: two addresses on one interface, one that is down, one without an address.
NETWORK = """
set -e
ip link set lo up
ip link add ens14np0 type veth peer name far0
ip link set ens14np0 up
ip link set far0 up
ip -6 addr flush dev far0
ip addr add 198.18.0.1/24 dev ens14np0
ip addr add 198.18.7.1/24 dev ens14np0
ip addr add 2001:db8::1/64 dev ens14np0 nodad
ip link add down0 type veth peer name far1
exec "$@"
"""
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import probe_network as p, reach
found = p.interfaces()
ways = {name: reach.Way(address, 4000, interface, ()) for name, address, interface in [
    ("down", "198.18.0.9", "down0"), ("missing", "198.18.0.9", "nosuch0"), ("routeless", "203.0.113.9", None)]}
kinds = {name: reach.go(way, b"x", "n", 1, 0.1).kind for name, way in ways.items()}
masters = {name: p.master(name) for name in ("198.18.7.1", "198.18.0.9", "203.0.113.9", "2001:db8::7", "no such name")}
for told in masters.values():
    told["resolve_error"] = bool(told["resolve_error"])
print(json.dumps({"found": found, "masters": masters, "kinds": kinds}))
"""


def _master(
    resolved: list[str], interface: str | None, *, owns: bool = False, error: bool = False
) -> dict[str, object]:
    return {"owns_addr": owns, "resolved": resolved, "resolve_error": error, "interface": interface}


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_interfaces_when_asked_in_a_network_then_all_of_it_is_told(collections_path: Path) -> None:
    """Secondary addresses, IPv6, a link that is down and the route to an address come from the kernel itself."""
    argv = ["unshare", "--net", "sh", "-c", NETWORK, "sh", sys.executable, "-c", ASK, str(collections_path)]
    told = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout)
    link_local = {name: [a for a in one["addresses"] if a.startswith("fe80:")] for name, one in told["found"].items()}
    for name, one in told["found"].items():
        one["addresses"] = [address for address in one["addresses"] if address not in link_local[name]]
    # Some kernels put tunnels of their own into every new network.
    made = {name: one for name, one in told["found"].items() if name in {"lo", "far0", "ens14np0", "down0", "far1"}}
    assert made == {
        "lo": {"up": True, "carrier": True, "addresses": ["127.0.0.1", "::1"]},
        "far0": {"up": True, "carrier": True, "addresses": []},
        "ens14np0": {"up": True, "carrier": True, "addresses": ["198.18.0.1", "198.18.7.1", "2001:db8::1"]},
        "down0": {"up": False, "carrier": False, "addresses": []},
        "far1": {"up": False, "carrier": False, "addresses": []},
    }
    assert told["masters"] == {
        "198.18.7.1": _master(["198.18.7.1"], "ens14np0", owns=True),
        "198.18.0.9": _master(["198.18.0.9"], "ens14np0"),
        "203.0.113.9": _master(["203.0.113.9"], None),
        "2001:db8::7": _master(["2001:db8::7"], "ens14np0"),
        "no such name": _master([], None, error=True),
    }
    assert told["kinds"] == {"down": "no_route", "missing": "no_interface", "routeless": "no_route"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.9.1", "::1"])
def test_master_when_it_is_a_loopback_address_then_the_loopback_interface_owns_it(address: str) -> None:
    """All of 127.0.0.0/8 belongs to lo, although only one address is listed there."""
    assert probe_network.master(address) == {
        "owns_addr": True,
        "resolved": [address],
        "resolve_error": None,
        "interface": "lo",
    }


def test_master_when_a_name_means_loopback_then_no_interface_is_told() -> None:
    """Debian's /etc/hosts gives a host's own name a loopback address, which says nothing of the network."""
    told = probe_network.master("localhost")
    assert (told["owns_addr"], told["interface"]) == (True, None)


NAMES = ["lo", "eth0", "eth1", "eth10", "ib0", "docker0"]


@pytest.mark.parametrize(
    ("setting", "nccl", "gloo"),
    [
        ("eth1", ["eth1"], ["eth1"]),
        ("eth", ["eth0", "eth1", "eth10"], []),
        ("=eth", [], []),
        ("=ib0,eth0", ["ib0", "eth0"], ["eth0"]),
        ("ib0, eth1", ["ib0", "eth1"], ["ib0", "eth1"]),
        ("^docker,eth", ["ib0"], []),
        ("^=eth1", ["eth0", "eth10", "ib0", "docker0"], []),
        ("ens14np0", [], []),
    ],
    ids=["name", "prefix", "exact-missing", "exact-list", "list", "all-but", "all-but-exact", "missing"],
)
def test_matching_when_the_setting_has_nccl_syntax_then_gloo_takes_only_names(
    setting: str, nccl: list[str], gloo: list[str]
) -> None:
    """NCCL knows prefixes, `=` and `^`; GLOO knows none of them."""
    assert (matching_nccl(setting, NAMES), matching_gloo(setting, NAMES)) == (nccl, gloo)
