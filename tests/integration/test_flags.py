# SPDX-License-Identifier: GPL-3.0-or-later
"""Every flag of the SSH runner that came before reaches its place on real nodes, with madengine 1 and 2."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.options import NodeOptions
from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, launch, read_events
from tests.integration.rank_files import RANK_DIR, command_of, container_environment, logins, rank_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

PASSWORD = "correct horse 'battery' $taple"
SECOND_INTERFACE = "data0"
MODEL_ARGUMENTS = "--keep-model-dir --additional-context \"{'docker_env_vars': {'FROM_ARGS': 'two words'}}\""


@pytest.fixture(scope="module")
def two_nodes(_namespaces: bool) -> Iterator[Cluster]:  # noqa: FBT001 - a fixture
    """Two nodes with a second network, and both versions of madengine under a path with a space."""
    if not _namespaces:
        pytest.skip("needs root, for nodes in network namespaces")
    with Cluster(2, NodeOptions(second_interface=SECOND_INTERFACE)) as made:
        for node in made.nodes:
            tools = node.home / "my tools"
            tools.mkdir()
            for version in (1, 2):
                (tools / f"madengine{version}").symlink_to("/run/demo/madengine")
        (made.shared / "sub").mkdir(mode=0o777)
        (made.shared / "sub").chmod(0o777)
        yield made


def _tool(cluster: Cluster, version: int) -> str:
    """The path of one version of madengine on the nodes."""
    return f"/home/{cluster.access.user}/my tools/madengine{version}"


def _everything(cluster: Cluster, version: int) -> list[str]:
    """All flags of the seed that do not name hosts or logins, none with its default."""
    return [
        *("--model", "demo_env", "--master-addr", cluster.nodes[0].second_address, "--master-port", "5123"),
        *("--shared-data-path", "/nfs/data/sub", "--nccl-interface", SECOND_INTERFACE),
        *("--gloo-interface", "auto", "--timeout", "1234", "--madengine-path", _tool(cluster, version)),
        *("--additional-args", MODEL_ARGUMENTS),
    ]


def _expected_environment(cluster: Cluster, node_rank: int) -> dict[str, str]:
    """What the flags of `_everything` make of the container's environment."""
    return {
        "FROM_ARGS": "two words",
        "GLOO_SOCKET_IFNAME": SECOND_INTERFACE,
        "MASTER_ADDR": cluster.nodes[0].second_address,
        "MASTER_PORT": "5123",
        "NCCL_SOCKET_IFNAME": SECOND_INTERFACE,
        "NNODES": "2",
        "NODE_RANK": str(node_rank),
        "NPROC_PER_NODE": "2",
    }


def _scripts(cluster: Cluster, done: Launch) -> list[str]:
    """The run.sh of every rank, from its node."""
    return [(rank_directory(done, node, rank) / "run.sh").read_text() for rank, node in enumerate(cluster.nodes)]


def test_flags_when_all_are_given_then_reach_the_node_for_v1(two_nodes: Cluster, tmp_path: Path) -> None:
    """Madengine 1: the command line recorded on each node, and the environment in its container."""
    done = launch(two_nodes, tmp_path, *_everything(two_nodes, 1))
    assert done.returncode == 0, (done.errors, done.stderr)
    for rank, script in enumerate(_scripts(two_nodes, done)):
        words = command_of(script)
        context = ast.literal_eval(words.pop(5))
        assert words == [
            *(_tool(two_nodes, 1), "run", "--tags", "demo_env", "--additional-context"),
            *("--force-mirror-local", "/nfs/data/sub", "--live-output", "--timeout", "1234"),
            *("--additional-context-file", f"{RANK_DIR}/context.json", "--keep-model-dir"),
        ]
        assert context["multi_node_args"] == {
            "RUNNER": "torchrun",
            "MASTER_ADDR": two_nodes.nodes[0].second_address,
            "MASTER_PORT": "5123",
            "NNODES": "2",
            "NODE_RANK": str(rank),
            "NCCL_SOCKET_IFNAME": SECOND_INTERFACE,
            "GLOO_SOCKET_IFNAME": SECOND_INTERFACE,
            "MAD_RUNTIME_NGPUS": "2",
        }
        expected = _expected_environment(two_nodes, rank)
        assert container_environment(done.lines(rank)).items() >= expected.items()


def test_flags_when_all_are_given_then_reach_the_node_for_v2(two_nodes: Cluster, tmp_path: Path) -> None:
    """Madengine 2: the command line and the context file on each node, and the environment in its container."""
    done = launch(two_nodes, tmp_path, *_everything(two_nodes, 2))
    assert done.returncode == 0, (done.errors, done.stderr)
    for rank, script in enumerate(_scripts(two_nodes, done)):
        assert command_of(script) == [
            *(
                _tool(two_nodes, 2),
                "run",
                "--tags",
                "demo_env",
                "--additional-context-file",
                f"{RANK_DIR}/context.json",
            ),
            *("--summary-output", f"{RANK_DIR}/summary.json", "--force-mirror-local", "/nfs/data/sub"),
            *("--live-output", "--timeout", "1234", "--keep-model-dir"),
        ]
        context = json.loads((rank_directory(done, two_nodes.nodes[rank], rank) / "context.json").read_text())
        assert context["distributed"] == {"launcher": "torchrun", "nnodes": 2, "nproc_per_node": 2}
        address = two_nodes.nodes[0].second_address
        runner = f"torchrun --nnodes=2 --nproc_per_node=2 --node_rank={rank} --master_addr={address} --master_port=5123"
        expected = {**_expected_environment(two_nodes, rank), "MAD_MULTI_NODE_RUNNER": runner}
        assert container_environment(done.lines(rank)).items() >= expected.items()


def test_flags_when_all_are_given_then_reach_inventory_and_plan(two_nodes: Cluster, tmp_path: Path) -> None:
    """The record holds the inventory that Ansible was given, and the plan that it made."""
    done = launch(two_nodes, tmp_path, *_everything(two_nodes, 2), "--check-only")
    assert done.returncode == 0, (done.errors, done.stderr)
    (plan,) = [event["plan"] for event in done.of("plan")]
    names = ("model", "nnodes", "master_addr", "master_port", "timeout_s", "additional_args")
    assert {name: plan[name] for name in names} == {
        "model": "demo_env",
        "nnodes": 2,
        "master_addr": two_nodes.nodes[0].second_address,
        "master_port": 5123,
        "timeout_s": 1234,
        "additional_args": [
            "--keep-model-dir",
            "--additional-context",
            "{'docker_env_vars': {'FROM_ARGS': 'two words'}}",
        ],
    }
    assert plan["hosts"] == {
        node.address: {"node_rank": node.index, "address": node.address} for node in two_nodes.nodes
    }


# --- logins and node lists: the nodes themselves say who came, from where and how -------------------------------------


def check(cluster: Cluster, state: Path, *words: str, **env: str) -> Launch:
    """Check the nodes that the words name, with a model that they have."""
    argv = [*LAUNCHER, "check", "--model", "demo_env", "--output", "json", *words]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(state, **env))
    return Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)


def ranks_of(done: Launch) -> dict[str, int]:
    """Which host got which rank."""
    (plan,) = [event["plan"] for event in done.of("plan")]
    return {name: host["node_rank"] for name, host in plan["hosts"].items()}


def _by_key(cluster: Cluster) -> list[str]:
    """How the cluster's login comes in by key."""
    access = cluster.access
    return ["--ssh-user", access.user, "--ssh-key", str(access.key), f"--ssh-args={access.ssh_args()}"]


@pytest.fixture
def without_sshpass(tmp_path: Path) -> str:
    """A PATH on which sshpass is found, but leaves a mark and fails."""
    program = tmp_path / "bin" / "sshpass"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sshpass-was-used\nexit 1\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/local/bin:/usr/bin:/bin"


def test_password_when_given_then_nodes_let_it_in_without_sshpass(
    make_cluster: Any,  # noqa: ANN401 - the fixture's own type is a callable of Cluster's arguments
    tmp_path: Path,
    without_sshpass: str,
) -> None:
    """--ssh-user and --ssh-password: the node wrote down a password login, and no helper program was asked."""
    from tests.cluster.options import ClusterOptions

    cluster: Cluster = make_cluster(2, options=ClusterOptions(password=PASSWORD))
    for node in cluster.nodes:
        node.accept_key(accepted=False)
    login = ["--ssh-user", cluster.access.user, "--ssh-password", PASSWORD, f"--ssh-args={cluster.access.ssh_args()}"]
    done = check(cluster, tmp_path, "--nodes", cluster.nodes_arg(), *login, PATH=without_sshpass)
    assert done.returncode == 0, (done.errors, done.stderr)
    for node in cluster.nodes:
        assert f"Accepted password for {cluster.access.user} from " in logins(node)
    assert not (tmp_path / "sshpass-was-used").exists()


def test_user_and_key_when_given_then_the_node_sees_them(two_nodes: Cluster, tmp_path: Path) -> None:
    """--ssh-user and --ssh-key: another login than the cluster's own comes in with the key that was named."""
    key = tmp_path / "another name"
    shutil.copy(two_nodes.access.key, key)
    args = f"--ssh-args={two_nodes.access.ssh_args()}"
    before = [logins(node).count("Accepted publickey for root") for node in two_nodes.nodes]
    words = ["--nodes", two_nodes.nodes_arg(), "--ssh-user", "root", "--ssh-key", str(key), args]
    done = check(two_nodes, tmp_path, *words)
    assert done.returncode == 0, (done.errors, done.stderr)
    after = [logins(node).count("Accepted publickey for root") for node in two_nodes.nodes]
    assert [then > now for now, then in zip(before, after, strict=True)] == [True, True]


def test_jump_host_when_given_then_the_node_is_reached_from_it(two_nodes: Cluster, tmp_path: Path) -> None:
    """--jump-host: the second node sees the connection come from the first one, and just one for all commands."""
    first, second = two_nodes.nodes
    access = two_nodes.access
    came = f"Accepted publickey for {access.user} from {first.address} "
    before = logins(second).count(came)
    words = ["--nodes", second.address, "--jump-host", f"{access.user}@{first.address}:22"]
    # The login's own known_hosts must not learn the test's nodes; a jump host does not get --ssh-args.
    words += ["--ssh-user", access.user, "--ssh-key", str(access.key), "--host-key-checking", "off"]
    done = check(two_nodes, tmp_path, *words)
    assert done.returncode == 0, (done.errors, done.stderr)
    assert logins(second).count(came) == before + 1


def test_port_when_given_then_the_node_is_reached_on_it(two_nodes: Cluster, tmp_path: Path) -> None:
    """--ssh-port: the server that listens there too says on which port the connection came."""
    node = two_nodes.nodes[1]
    node.set_sshd("ListenAddress 0.0.0.0:2022")
    try:
        options = ["--ssh-port", "2022", "--host-key-checking", "off"]
        done = check(two_nodes, tmp_path, "--nodes", node.address, *_by_key(two_nodes), *options)
        assert done.returncode == 0, (done.errors, done.stderr)
        assert f" on {node.address} port 2022 " in logins(node)
    finally:
        node.set_sshd()


def test_hostfile_when_given_then_its_order_is_the_order_of_the_ranks(two_nodes: Cluster, tmp_path: Path) -> None:
    """--hostfile: the second node stands first, so it is rank 0; its slots are told to be of no use."""
    first, second = (node.address for node in two_nodes.nodes)
    hostfile = tmp_path / "hosts"
    hostfile.write_text(f"# two nodes\n{second} slots=8\n{first} slots=8\n")
    done = check(two_nodes, tmp_path, "--hostfile", str(hostfile), *_by_key(two_nodes))
    assert done.returncode == 0, (done.errors, done.stderr)
    assert ranks_of(done) == {second: 0, first: 1}
    assert "slots" in done.stderr


def test_inventory_when_limited_then_only_those_hosts_with_their_own_values(two_nodes: Cluster, tmp_path: Path) -> None:
    """--inventory with --limit: the logins and values of the inventory hold, and the third host is left alone."""
    hosts = {
        f"worker{node.index}": {"ansible_host": node.address, "nccl_interface": SECOND_INTERFACE}
        for node in two_nodes.nodes
    }
    nowhere = {"ansible_host": "198.18.255.255"}
    everyone = {"hosts": {**hosts, "spare": nowhere}, "vars": two_nodes.inventory_vars()}
    inventory = tmp_path / "cluster.yml"
    inventory.write_text(json.dumps({"all": everyone}))
    done = check(two_nodes, tmp_path, "-i", str(inventory), "--limit", "worker*")
    assert done.returncode == 0, (done.errors, done.stderr)
    assert ranks_of(done) == {"worker0": 0, "worker1": 1}
    (report,) = done.of("preflight")
    assert {host["host"]: host["madengine_version"] for host in report["hosts"]} == {
        "worker0": "2.1.0",
        "worker1": "2.1.0",
    }


def test_slurm_when_no_nodes_are_named_then_those_of_the_allocation(two_nodes: Cluster, tmp_path: Path) -> None:
    """Inside an allocation the nodes of SLURM_JOB_NODELIST are used, and that is said."""
    done = check(two_nodes, tmp_path, *_by_key(two_nodes), SLURM_JOB_NODELIST="node[01-02]")
    assert done.returncode == 0, (done.errors, done.stderr)
    assert ranks_of(done) == {"node01": 0, "node02": 1}
    assert "SLURM_JOB_NODELIST=node[01-02]" in done.stderr
