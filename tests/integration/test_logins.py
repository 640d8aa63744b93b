# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of the launcher that need neither a key nor a password of its own, and hosts whose keys nobody vouches for."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import _need, _nothing_left
from tests.cluster.network import BRIDGE
from tests.cluster.options import NodeOptions
from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, read_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

USAGE = 2
PREFLIGHT_FAILED = 3
PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def cluster(_namespaces: bool) -> Iterator[Cluster]:  # noqa: FBT001 - a fixture
    """Two nodes."""
    _need(_namespaces)
    with Cluster(2) as made:
        yield made
        _nothing_left(made)


def launched(cluster: Cluster, state: Path, *words: str, **env: str) -> Launch:
    """Launch without any login but that of the words and the environment."""
    argv = [*LAUNCHER, "--model", "demo_env", "--output", "json", *words]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(state, **env), timeout_s=120)
    return Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)


def named(cluster: Cluster) -> list[str]:
    """Return the words for the nodes and their host keys."""
    return ["--nodes", cluster.nodes_arg(), f"--ssh-args={cluster.access.ssh_args()}"]


@pytest.fixture
def locked_key(cluster: Cluster, tmp_path: Path) -> Path:
    """The cluster's key with a passphrase."""
    key = tmp_path / "locked"
    shutil.copy(cluster.access.key, key)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", str(key)]
    subprocess.run(change, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return key


@pytest.fixture
def agent(tmp_path: Path, locked_key: Path) -> Iterator[str]:
    """The socket of an agent that holds that key."""
    answer = tmp_path / "answer"
    answer.write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
    answer.chmod(0o700)
    socket = str(tmp_path / "agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it says where it listens once it does
        env = {**os.environ, "SSH_AUTH_SOCK": socket, "SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", str(locked_key)], check=True, env=env, stdin=subprocess.DEVNULL)
        yield socket
        process.kill()


@pytest.mark.parametrize("names_key", [False, True], ids=["agent-alone", "key-named-too"])
def test_launch_when_an_agent_holds_the_key_then_trains(
    cluster: Cluster, tmp_path: Path, locked_key: Path, agent: str, *, names_key: bool
) -> None:
    """The file itself has a passphrase that nobody is asked for."""
    words = [*named(cluster), "--ssh-user", cluster.access.user, *(["--ssh-key", str(locked_key)] if names_key else [])]
    done = launched(cluster, tmp_path, *words, SSH_AUTH_SOCK=agent)
    assert (done.returncode, done.errors) == (0, []), done.stderr
    assert "passphrase" not in done.stderr


def test_launch_when_the_key_has_a_passphrase_and_there_is_no_agent_then_no_host_is_asked(
    cluster: Cluster, tmp_path: Path, locked_key: Path
) -> None:
    """The words of the user would do for the login otherwise."""
    words = ["--nodes", cluster.nodes_arg(), "--ssh-user", cluster.access.user, "--ssh-key", str(locked_key)]
    done = launched(cluster, tmp_path, *words, SSH_AUTH_SOCK="")
    assert done.returncode == USAGE
    assert f"--ssh-key: {str(locked_key)!r} has a passphrase, and there is no agent that holds the key" in done.stderr


def test_launch_when_the_configuration_of_ssh_has_names_and_logins_then_trains(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Neither the inventory nor the launcher knows of an address, a user or a key."""
    first, second = cluster.nodes
    lines = [f"Host head\n  HostName {first.address}", f"Host other\n  HostName {second.address}"]
    lines += [f"Host *\n  User {cluster.access.user}\n  IdentityFile {cluster.access.key}\n  IdentitiesOnly yes"]
    config = tmp_path / "ssh config"
    config.write_text("\n".join(lines) + "\n")
    ssh_args = f"--ssh-args=-F '{config}' {cluster.access.ssh_args()}"
    done = launched(cluster, tmp_path, "--nodes", "head,other", ssh_args, "--master-addr", first.address)
    assert (done.returncode, done.errors) == (0, []), done.stderr


def test_launch_when_a_host_key_has_changed_then_only_without_checking_it_goes_on(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """And it says what that means."""
    cluster = make_cluster(2)
    cluster.nodes[1].change_host_key()
    access = cluster.access
    words = [*named(cluster), "--ssh-user", access.user, "--ssh-key", str(access.key)]
    refused = launched(cluster, tmp_path, *words)
    done = launched(cluster, tmp_path, *words[:2], *words[3:], "--host-key-checking", "off")
    assert (refused.returncode, refused.errors) == (PREFLIGHT_FAILED, [("reach", cluster.nodes[1].address)])
    assert (done.returncode, done.errors) == (0, []), done.stderr
    assert "host keys are not checked: another machine could answer for a node" in done.stderr


def test_launch_when_nodes_have_ipv6_addresses_then_trains(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Login, rendezvous and the screen; the addresses of the master and of the interfaces are IPv6 alone."""
    cluster = make_cluster(2)
    cluster.run(["ip", "address", "add", "fd00:18::1/64", "dev", BRIDGE, "nodad"]).check_returncode()
    addresses = [f"fd00:18::{10 + node.index:x}" for node in cluster.nodes]
    for node, address in zip(cluster.nodes, addresses, strict=True):
        node.exec(["ip", "address", "add", f"{address}/64", "dev", "ens14np0", "nodad"])
        node.set_sshd(f"ListenAddress [{address}]:22")
    access = cluster.access
    words = ["--nodes", ",".join(f"[{address}]" for address in addresses), "--ssh-user", access.user]
    words += ["--ssh-key", str(access.key), "--host-key-checking", "off", "--model", "demo_train"]
    done = launched(cluster, tmp_path, *words)
    assert (done.returncode, done.errors) == (0, []), done.stderr
    assert [event["plan"]["master_addr"] for event in done.of("plan")] == [addresses[0]]


def test_check_when_the_example_inventory_has_hosts_that_exist_then_it_passes(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """inventory/example.ini with other addresses and login, and nothing else: interfaces and ranks are its own."""
    usual = NodeOptions(interface="mgmt0", second_interface="ens14np0")
    odd = NodeOptions(interface="mgmt0", second_interface="ens15np0")
    cluster = make_cluster(4, usual, {3: odd})
    text = (REPOSITORY / "inventory/example.ini").read_text()
    words = {f"192.0.2.{11 + node.index}": node.address for node in cluster.nodes}
    words |= {"198.51.100.11": cluster.nodes[0].second_address, "ubuntu": cluster.access.user}
    for theirs, ours in words.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    inventory = tmp_path / "example.ini"
    inventory.write_text(text)
    login = ["--ssh-key", str(cluster.access.key), f"--ssh-args={cluster.access.ssh_args()}"]
    done = launched(cluster, tmp_path, "--check-only", "-i", str(inventory), *login)
    assert (done.returncode, done.errors) == (0, []), done.stderr
    ((plan,),) = [[event["plan"] for event in done.of("plan")]]
    ranks = {name: host["node_rank"] for name, host in plan["hosts"].items()}
    assert ranks == {"node01": 0, "node02": 1, "node03": 2, "node04": 3}
