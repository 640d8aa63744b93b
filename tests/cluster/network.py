# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and the `ip` commands that join nodes to the cluster's networks (pure, but for the claim of a subnet)."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster.errors import ClusterError

if TYPE_CHECKING:
    from tests.cluster.options import NodeOptions

BRIDGE = "br-nodes"
SECOND_BRIDGE = "br-data"
VOID_BRIDGE = "br-void"  # never up: what is plugged in there has a carrier and reaches nothing
# Lets a node announce itself when an interface comes up or is given its address again (ip-sysctl, arp_notify).
ANNOUNCE = ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_notify"]
_SUBNETS = 254
_FIRST_HOST = 10
_BLOCK = 256
_BLOCK_PRIORITY = 50
_LOCAL_PRIORITY = 100


@dataclass(frozen=True)
class Subnet:
    """One cluster's share of the addresses: 198.18.<number>.0/24 and 198.19.<number>.0/24 (RFC 2544), 127.0.<number>.0.

    Two clusters at one time have different numbers, so that an SSH connection kept open by a launcher of one is never
    taken for a connection to a node of the other.
    """

    number: int
    claim: socket.socket

    @property
    def control(self) -> str:
        """Address of the control side."""
        return f"198.18.{self.number}.1"

    def address(self, index: int) -> str:
        """Address of a node in the network that SSH uses."""
        return f"198.18.{self.number}.{_FIRST_HOST + index}"

    def second_address(self, index: int) -> str:
        """Address of a node in the second network, which the control side does not reach."""
        return f"198.19.{self.number}.{_FIRST_HOST + index}"

    def loopback(self, index: int) -> str:
        """Address of a loopback node; from the 247th on they go on in 127.1.<number>.0/24."""
        block, host = divmod(_FIRST_HOST + index, _BLOCK)
        return f"127.{block}.{self.number}.{host}"

    def release(self) -> None:
        """Let another cluster have this number."""
        self.claim.close()


def claim_subnet() -> Subnet:
    """Take a number that no other cluster on this machine has.

    The claim is an abstract Unix socket (unix(7)): the kernel lets it go when this process ends, however it ends.

    Raises:
        ClusterError: All numbers are taken.
    """
    for attempt in range(_SUBNETS):
        number = 1 + (os.getpid() + attempt) % _SUBNETS
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0madlaunch-test-cluster-{number}")
        except OSError:
            claim.close()
            continue
        return Subnet(number, claim)
    message = f"all {_SUBNETS} subnets are taken by test clusters; end one with: python -m tests.cluster down"
    raise ClusterError(message)


def control_batch(subnet: Subnet) -> str:
    """Commands for `ip -batch` in the control namespace: both bridges, an address on the first."""
    return "\n".join(
        [
            "link set lo up",
            f"link add {BRIDGE} type bridge",
            f"address add {subnet.control}/24 dev {BRIDGE}",
            f"link set {BRIDGE} up",
            f"link add {SECOND_BRIDGE} type bridge",
            f"link set {SECOND_BRIDGE} up",
            f"link add {VOID_BRIDGE} type bridge",
        ],
    )


def port_name(index: int, *, second: bool = False) -> str:
    """Name of the bridge's end of a node's cable."""
    return f"{'data' if second else 'node'}{index:02d}"


def cable_batch(index: int, pid: int, options: NodeOptions) -> str:
    """Commands for `ip -batch` in the control namespace: the cables of one node, whose end goes to process ``pid``."""
    lines = _cable(index, options.interface, pid)
    if options.second_interface:
        lines += _cable(index, options.second_interface, pid, second=True)
    return "\n".join(lines)


def _cable(index: int, interface: str, pid: int, *, second: bool = False) -> list[str]:
    port, bridge = port_name(index, second=second), SECOND_BRIDGE if second else BRIDGE
    # A node that boots again has the hardware address that its neighbors remember.
    return [
        f"link add {port} type veth peer name {interface} address {_hardware(index, second=second)} netns {pid}",
        f"link set {port} master {bridge} up",
    ]


def _hardware(index: int, *, second: bool = False) -> str:
    return f"02:00:00:00:{int(second):02x}:{index:02x}"


def announce_batch(index: int, options: NodeOptions) -> str:
    """Commands for `ip -batch` on a node that tell all neighbors where it is (a gratuitous ARP, see ANNOUNCE).

    Without it, a neighbor that looked for the node while it was away may believe for another second that it is.
    """
    lines = [f"link set {options.interface} address {_hardware(index)}"]
    if options.second_interface:
        lines.append(f"link set {options.second_interface} address {_hardware(index, second=True)}")
    return "\n".join(lines)


def node_batch(subnet: Subnet, index: int, options: NodeOptions) -> str:
    """Commands for `ip -batch` on a node: its addresses."""
    lines = ["link set lo up", *_interface(options.interface, subnet.address(index))]
    if options.second_interface:
        lines += _interface(options.second_interface, subnet.second_address(index))
    return "\n".join(lines)


def _interface(name: str, address: str) -> list[str]:
    return [f"address add {address}/24 dev {name}", f"link set {name} up"]


def block_batch(port: int, action: str, selector: str) -> str:
    """Commands for `ip -batch` on a node that stop TCP to a port, by a routing rule (no netfilter needed).

    The table of local addresses is asked first as a rule, and moves behind ours so that packets for this node itself
    are judged too.

    Args:
        port: TCP destination port.
        action: ``blackhole`` (silence), ``unreachable`` or ``prohibit`` (an error at once); see ip-rule(8).
        selector: What else must fit, such as ``iif ens14np0`` or ``to 198.18.1.10``.
    """
    return "\n".join(
        [
            f"rule add priority {_LOCAL_PRIORITY} lookup local",
            "rule delete priority 0",
            # TCP by its number: a small Debian has no /etc/protocols to look the name up in.
            f"rule add priority {_BLOCK_PRIORITY} {selector} ipproto 6 dport {port} {action}",
        ],
    )


def unblock_batch() -> str:
    """Commands for `ip -batch` on a node that take `block_batch` back."""
    return "\n".join(
        [
            "rule add priority 0 lookup local",
            f"rule delete priority {_LOCAL_PRIORITY}",
            f"rule delete priority {_BLOCK_PRIORITY}",
        ],
    )
