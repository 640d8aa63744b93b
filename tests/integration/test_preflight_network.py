# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `interface`, `master_addr`, `master_port` and `rendezvous`, on nodes in two networks."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster import network
from tests.cluster.accounts import LOGIN_ID
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import _need, _nothing_left
from tests.cluster.options import NodeOptions
from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, launch, read_events
from tests.integration.preflighting import MASTER_PORT, PREFLIGHT_FAILED, found, nodes_arg, runs, traces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

NAME = "train-master"
IB0 = ["--nccl-interface", "ib0", "--gloo-interface", "ib0"]
TRACES_GONE_S = 15.0


@pytest.fixture(scope="module")
def cluster(_namespaces: bool) -> Iterator[Cluster]:  # noqa: FBT001 - a fixture
    """Four nodes with a second interface; on node 1 both interfaces have other names."""
    _need(_namespaces)
    odd = NodeOptions(interface="eth7", second_interface="ib9")
    with Cluster(4, NodeOptions(second_interface="ib0"), {1: odd}) as made:
        yield made
        _nothing_left(made)


@pytest.fixture(autouse=True)
def _clean(cluster: Cluster) -> Iterator[None]:
    """No test starts a run, and each leaves the nodes as they were."""
    yield
    assert [runs(node) for node in cluster.nodes] == [[], [], [], []]


def train(cluster: Cluster, state: Path, *words: str) -> Launch:
    """Try to launch; every node takes the interface that leads to the master unless `words` say otherwise."""
    auto = ["--nccl-interface", "auto", "--gloo-interface", "auto"]
    return launch(cluster, state, "--model", "demo_train", *auto, *words)


def test_launch_when_interfaces_are_unusable_then_each_host_says_why(cluster: Cluster, tmp_path: Path) -> None:
    """No such interface, one that is down, one without an address; the host that is well has no finding."""
    down, bare = cluster.nodes[2], cluster.nodes[3]
    down.set_interface("ib0", up=False)
    bare.exec(["ip", "address", "flush", "dev", "ib0"])
    try:
        done = train(cluster, tmp_path, *IB0)
    finally:
        down.set_interface("ib0", up=True)
        bare.exec(["ip", "address", "add", f"{bare.second_address}/24", "dev", "ib0"])
    assert (done.returncode, found(done, cluster)) == (
        PREFLIGHT_FAILED,
        [
            ("interface", 1, "There is no interface ib0 (setting nccl_interface)."),
            ("interface", 2, "Interface ib0 is down."),
            ("interface", 3, "Interface ib0 has no usable address."),
        ],
    )
    fixes = [item["fix"] for item in done.findings if item["check"] == "interface"]
    assert "--nccl-interface eth7 (variable nccl_interface)" in fixes[0]
    assert fixes[1].startswith("sudo ip link set ib0 up; or: ")
    assert fixes[2].startswith("sudo ip addr add ADDRESS/BITS dev ib0; or: ")


@pytest.mark.parametrize(
    ("host_vars", "expected"),
    [
        pytest.param({}, [("interface", 1, "There is no interface ens14np0 (setting nccl_interface).")], id="without"),
        pytest.param({"nccl_interface": "eth7", "gloo_interface": "eth7"}, [], id="with"),
        pytest.param({"nccl_interface": "auto", "gloo_interface": "auto"}, [], id="auto"),
    ],
)
def test_check_when_one_host_has_other_names_then_its_host_variables_mend_it(
    cluster: Cluster, tmp_path: Path, host_vars: dict[str, str], expected: list[tuple[str, int, str]]
) -> None:
    """The default is for all; the inventory overrides it for one host."""
    inventory = tmp_path / "inventory.json"
    hosts = {node.address: host_vars if node.index == 1 else {} for node in cluster.nodes}
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": cluster.inventory_vars()}}))
    argv = [*LAUNCHER, "check", "--model", "demo_train", "--inventory", str(inventory), "--output", "json"]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(tmp_path))
    told = Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)
    assert found(told, cluster) == expected
    assert told.returncode == (PREFLIGHT_FAILED if expected else 0)


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        pytest.param(2, "Rank 0 does not own the master address {address}; node2 does.", id="of-another-rank"),
        pytest.param(
            None, "Rank 0 does not own the master address {address}, nor does any host of the launch.", id="of-nobody"
        ),
    ],
)
def test_launch_when_rank_0_does_not_own_the_master_address_then_the_owner_is_named(
    cluster: Cluster, tmp_path: Path, owner: int | None, message: str
) -> None:
    """The address in the second network belongs to another rank, or to no host at all."""
    address = "203.0.113.9" if owner is None else cluster.nodes[owner].second_address
    done = train(cluster, tmp_path, "--master-addr", address, *IB0, *sound(cluster))
    expected = [("master_addr", 0, message.format(address=address))]
    assert (done.returncode, found(done, cluster)) == (PREFLIGHT_FAILED, expected)
    assert f"--master-addr {cluster.nodes[0].address}" in done.findings[0]["fix"]


def sound(cluster: Cluster) -> list[str]:
    """The nodes whose interfaces have the usual names."""
    return nodes_arg([cluster.nodes[0], *cluster.nodes[2:]])


def test_launch_when_hosts_take_the_master_name_for_something_else_then_each_says_what(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Node 1 takes the name for itself (Debian's 127.0.1.1), node 2 does not know it; nodes 0 and 3 are right."""
    right = f"{cluster.nodes[0].address} {NAME}\n"
    for node, line in zip(cluster.nodes, [right, f"127.0.1.1 {NAME}\n", "", right], strict=True):
        hosts = node.path("/etc/hosts")
        hosts.write_text(line + hosts.read_text())
    done = train(cluster, tmp_path, "--master-addr", NAME)
    [(check_1, host_1, itself), (check_2, host_2, unknown)] = found(done, cluster)
    assert (done.returncode, check_1, host_1, check_2, host_2) == (PREFLIGHT_FAILED, "master_addr", 1, "master_addr", 2)
    assert itself == f"The master address {NAME} is this host itself there (127.0.1.1), but rank 0 is node0."
    assert unknown.startswith(f"The master address {NAME} cannot be resolved there: ")


@pytest.mark.parametrize("user_id", [LOGIN_ID, 0], ids=["own", "of-root"])
def test_launch_when_the_master_port_is_taken_then_its_holder_is_named(
    cluster: Cluster, tmp_path: Path, user_id: int
) -> None:
    """A process of the login is named with its command, of another user's the user; only rank 0 is asked."""
    node = cluster.nodes[0]
    with node.port_held(MASTER_PORT, user_id=user_id) as pid:
        done = train(cluster, tmp_path)
    own = rf"Port 4000 is held by process {pid} of mluser: /usr/bin/python3 -c .*"
    others = r"Port 4000 is held by a process of user root, which only that user or root can see\."
    [(check, host, message)] = found(done, cluster)
    assert (done.returncode, check, host) == (PREFLIGHT_FAILED, "master_port", 0)
    assert re.fullmatch(own if user_id else others, message)
    assert "--master-port 4001" in done.findings[0]["fix"]


def test_launch_when_there_is_no_port_to_listen_on_then_the_nonce_goes_by_itself(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Nobody can tell rank 0 that all have read its file; it stays for those on their way, and then goes."""
    node = cluster.nodes[0]
    with node.port_held(MASTER_PORT):
        assert train(cluster, tmp_path).returncode == PREFLIGHT_FAILED
    assert any(line.startswith("/nfs/data/.madlaunch-") for line in traces(node))
    deadline = time.monotonic() + TRACES_GONE_S
    while traces(node) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert traces(node) == []


def test_launch_when_a_way_to_rank_0_is_blocked_then_just_that_rank_says_so(cluster: Cluster, tmp_path: Path) -> None:
    """SSH works everywhere; node 2 has no route to the port, and the training interface of node 3 leads nowhere."""
    first, barred = cluster.nodes[0], cluster.nodes[2]
    cable = network.port_name(3, second=True)
    cluster.run(["ip", "link", "set", cable, "nomaster"]).check_returncode()
    try:
        with barred.port_refused_to(MASTER_PORT, first.address):
            done = train(cluster, tmp_path, *IB0, *sound(cluster))
    finally:
        cluster.run(["ip", "link", "set", cable, "master", network.SECOND_BRIDGE]).check_returncode()
    [(check_2, host_2, barred_said), (check_3, host_3, cut_said)] = found(done, cluster)
    assert (done.returncode, check_2, host_2, check_3, host_3) == (PREFLIGHT_FAILED, "rendezvous", 2, "rendezvous", 3)
    assert barred_said == "node0 (node0, port 4000) is not reached: there is no route."
    # Whether the kernel or the test of the way gives up first is a matter of timing.
    reasons = "there is no route|no answer, as with a firewall that drops packets"
    way = re.escape(f"node0 ({first.second_address}, port 4000) is not reached through interface ib0 (")
    assert re.fullmatch(f"{way}nccl_interface and gloo_interface\\): ({reasons})\\.", cut_said)
    assert traces(first) == []


BRIDGE, BRIDGE_ADDRESS = "docker0", "172.17.0.1"


@pytest.fixture
def bridges(cluster: Cluster) -> Iterator[None]:
    """A bridge of containers on every node, with the same address everywhere and a container on it."""
    add = f"ip link add {BRIDGE} type bridge && ip link add veth1 type veth peer name veth2 && "
    up = f"ip link set veth1 master {BRIDGE} && ip address add {BRIDGE_ADDRESS}/16 dev {BRIDGE} && "
    links = " && ".join(f"ip link set {name} up" for name in ("veth1", "veth2", BRIDGE))
    for node in cluster.nodes:
        node.exec(["sh", "-c", add + up + links])
    yield
    for node in cluster.nodes:
        node.exec(["sh", "-c", f"ip link del veth1 && ip link del {BRIDGE}"])


@pytest.mark.usefixtures("bridges")
@pytest.mark.parametrize(
    ("given", "address"),
    [
        pytest.param({"nccl_interface": "lo", "gloo_interface": "lo"}, "127.0.0.1", id="loopback"),
        pytest.param({"gloo_interface": BRIDGE}, BRIDGE_ADDRESS, id="bridge-for-gloo"),
        pytest.param({"nccl_interface": BRIDGE}, BRIDGE_ADDRESS, id="bridge-for-nccl"),
    ],
)
def test_launch_when_an_interface_leads_to_each_host_itself_then_every_rank_but_0_says_so(
    cluster: Cluster, tmp_path: Path, given: dict[str, str], address: str
) -> None:
    """It is up and has an address, which every host has; the fix names the one of the way to rank 0."""
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    done = train(cluster, tmp_path, "--check-only", *words, *sound(cluster))
    bad = f"Interface {next(iter(given.values()))} ({' and '.join(given)})"
    message = f"{bad} does not lead to node0: {address} is this host itself, too."
    expected = [("rendezvous", number, message) for number in (2, 3)]
    assert (done.returncode, found(done, cluster)) == (PREFLIGHT_FAILED, expected)
    better = " and ".join(f"--{name.replace('_', '-')} ens14np0 (variable {name})" for name in given)
    fix = f"Choose an interface of the network that the hosts share: {better}"
    assert [item["fix"] for item in done.findings if item["check"] == "rendezvous"] == [fix, fix]


def test_launch_when_only_the_interface_of_gloo_is_cut_off_then_it_is_tried_and_named(
    cluster: Cluster, tmp_path: Path
) -> None:
    """NCCL's way is well; both are tried."""
    cable = network.port_name(3, second=True)
    cluster.run(["ip", "link", "set", cable, "nomaster"]).check_returncode()
    try:
        done = train(cluster, tmp_path, "--gloo-interface", "ib0", *sound(cluster))
    finally:
        cluster.run(["ip", "link", "set", cable, "master", network.SECOND_BRIDGE]).check_returncode()
    [(check, host, message)] = found(done, cluster)
    assert (done.returncode, check, host) == (PREFLIGHT_FAILED, "rendezvous", 3)
    assert "is not reached through interface ib0 (gloo_interface): " in message


def test_check_when_a_host_is_named_by_two_of_its_addresses_then_that_is_found(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Rank 0 and another rank, each a second time; it is allowed on request only."""
    first, other = cluster.nodes[0], cluster.nodes[2]
    more = {node: f"{node.address.rpartition('.')[0]}.{200 + node.index}" for node in (first, other)}
    nodes = [first.address, other.address, *more.values()]
    words = ["--check-only", "--nodes", ",".join(nodes)]
    for node, address in more.items():
        node.exec(["ip", "address", "add", f"{address}/24", "dev", "ens14np0"])
    try:
        done = train(cluster, tmp_path, *words)
        allowed = train(cluster, tmp_path, *words, "--skip-check", "same_host")
    finally:
        for node, address in more.items():
            node.exec(["ip", "address", "del", f"{address}/24", "dev", "ens14np0"])
    message = "{} is the same machine as {}: two ranks would share its GPUs and its ports."
    said = [(item["check"], item["host"], item["message"]) for item in done.findings if item["severity"] == "error"]
    assert (done.returncode, said) == (
        PREFLIGHT_FAILED,
        [("same_host", again, message.format(again, once)) for once, again in zip(nodes[:2], nodes[2:], strict=True)],
    )
    assert (allowed.returncode, allowed.errors) == (0, [])


def test_check_when_two_names_of_an_inventory_have_one_address_then_that_is_found(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Two entries were given the same ansible_host by mistake."""
    inventory = tmp_path / "inventory.json"
    interfaces = {"nccl_interface": "auto", "gloo_interface": "auto"}
    hosts = {name: {"ansible_host": cluster.nodes[0].address} for name in ("alpha", "beta")}
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": {**cluster.inventory_vars(), **interfaces}}}))
    argv = [*LAUNCHER, "check", "--model", "demo_train", "--inventory", str(inventory), "--output", "json"]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(tmp_path))
    told = Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)
    assert (told.returncode, told.errors) == (PREFLIGHT_FAILED, [("same_host", "beta")])
