# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into a host that estates have and others do not: su, a plain shell, ssh's own configuration, paramiko."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.integration.estating import GROUP, LAUNCH, PLAYBOOK_FAILED, login_shell
from tests.integration.three_doors import core

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.integration.estating import Estate

pytestmark = [pytest.mark.cluster]

NAMES = ("alpha", "beta")
_WITHOUT_PARAMIKO = core() >= (2, 21) or importlib.util.find_spec("paramiko") is None


@pytest.fixture
def estate(node_estate: Estate, node_cluster: Cluster) -> Estate:
    """An estate of two hosts."""
    hosts = dict(zip(NAMES, node_cluster.nodes, strict=False))
    node_estate.inventory(hosts, model="demo_env", grace_s=2, lease_s=10)
    return node_estate


def test_launch_when_su_makes_root_then_trains(node_cluster: Cluster, estate: Estate) -> None:
    """su, which asks for the password of root; the run lies in the home of root."""
    become = {"ansible_become": True, "ansible_become_method": "su", "madengine_path": "/run/node/bin/madengine"}
    estate.write("host_vars/beta.yml", {**become, "ansible_become_password": node_cluster.access.password})
    estate.play(LAUNCH, "-e", "run_id=by-su").check_ok(*NAMES)
    homes = [node.path("/root/.local/state/madlaunch/runs/by-su").is_dir() for node in node_cluster.nodes[:2]]
    assert homes == [False, True]


def test_preflight_when_su_has_the_wrong_password_then_names_the_host(estate: Estate) -> None:
    """Nothing is started, and the host that is well is judged all the same."""
    become = {"ansible_become": True, "ansible_become_method": "su", "ansible_become_password": "wrong"}
    estate.write("host_vars/beta.yml", become)
    played = estate.play(LAUNCH)
    errors = [line for line in played.text.splitlines() if line.startswith("error: ")]
    assert (played.returncode, len(errors)) == (PLAYBOOK_FAILED, 1), played.text
    assert errors[0].startswith("error: python on beta: The preflight cannot run: Incorrect su password Fix: ")


def test_launch_when_the_login_shell_is_dash_then_trains(node_cluster: Cluster, estate: Estate) -> None:
    """It knows nothing of what bash adds to a shell."""
    with login_shell(node_cluster.nodes[1], "/bin/dash"):
        estate.play(LAUNCH).check_ok(*NAMES)


def test_launch_when_the_configuration_of_ssh_has_the_jump_host_then_trains(
    node_cluster: Cluster, node_estate: Estate
) -> None:
    """The inventory has a name that only that file knows."""
    nodes, access = node_cluster.nodes, node_cluster.access
    everywhere = [f"User {access.user}", f"IdentityFile {access.key}", "IdentitiesOnly yes"]
    everywhere += ["StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"]
    inner = [f"HostName {nodes[1].address}", f"ProxyJump {nodes[0].address}"]
    node_estate.write("ssh_config", "\n".join(["Host inner", *inner, "Host *", *everywhere]) + "\n")
    hosts = {"alpha": {"ansible_host": nodes[0].address}, "beta": {"ansible_host": "inner"}}
    together = {"ansible_ssh_common_args": "-F ssh_config", "log_dir": str(node_estate.folder / "run")}
    together |= {"model": "demo_env", "grace_s": "2"}
    node_estate.write("hosts.yml", {GROUP: {"hosts": hosts, "vars": together}})
    node_estate.play(LAUNCH).check_ok(*NAMES)


@pytest.mark.skipif(_WITHOUT_PARAMIKO, reason="needs ansible-core below 2.21 and the library paramiko beside it")
def test_launch_when_the_connection_is_paramiko_then_trains(node_cluster: Cluster, estate: Estate) -> None:
    """The real one, which has no standard input: each document goes by a file, of which nothing is left."""
    estate.write("host_vars/beta.yml", {"ansible_connection": "paramiko"})
    estate.play(LAUNCH, ANSIBLE_HOST_KEY_CHECKING="False").check_ok(*NAMES)
    assert list((node_cluster.nodes[1].home / ".ansible/tmp").glob("*")) == []
