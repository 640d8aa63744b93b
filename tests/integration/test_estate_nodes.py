# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins, shells, privileges, connections and Pythons of an estate: launches over hosts that differ in them."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import DEMO, ClusterOptions, NodeOptions
from tests.cluster.programs import link_programs
from tests.integration.estating import GROUP, LAUNCH, PLAYBOOK_FAILED, estate_of, login_shell, sudoers
from tests.integration.three_doors import core

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster
    from tests.integration.estating import Estate

pytestmark = [pytest.mark.cluster]

NAMES = ("alpha", "beta", "gamma", "delta")
SECRET = "hf_not-for-the-screen"
# Settings that hardened or old estates have, all at once.
HARDENED = {
    "ANSIBLE_PIPELINING": "False",
    "ANSIBLE_STRATEGY": "free",
    "ANSIBLE_ANY_ERRORS_FATAL": "True",
    "ANSIBLE_NO_LOG": "True",
    "ANSIBLE_PRIVATE_ROLE_VARS": "True",
    "ANSIBLE_GATHERING": "smart",
    "ANSIBLE_TASK_TIMEOUT": "6",
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
    "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "True",
}
_ASKS_FOR_TERMINAL = "Defaults requiretty\nmluser ALL=(ALL) ALL\n"
_ASKS_NOTHING = "mluser ALL=(ALL) NOPASSWD: ALL\n"
# Enters a node as `docker exec` enters a container; one takes standard input, the other does not.
_CONNECTION = """
import shutil
import subprocess

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = '''
name: {name}
short_description: enter the namespaces of a node
description: enter the namespaces of a node
author: tests
options:
  node_pid:
    description: process of the node
    vars: [{{name: node_pid}}]
'''


class Connection(ConnectionBase):
    transport = "{name}"
    has_pipelining = {has_pipelining}

    def _connect(self):
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        assert in_data is None or self.has_pipelining
        enter = ["nsenter", "--target", self.get_option("node_pid"), "--all", "--"]
        env = ["env", "HOME=/root", "PATH=/run/node/bin:/usr/bin:/bin"]
        done = subprocess.run([*enter, *env, "sh", "-c", cmd], input=in_data or b"", capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        shutil.copy(in_path, f"/proc/{{self.get_option('node_pid')}}/root{{out_path}}")

    # Part of every connection plugin; that a launch never comes here is what the test sees.
    def fetch_file(self, in_path, out_path):
        raise NotImplementedError("madlaunch fetches no file over a connection")

    def close(self):
        pass
"""


def _installed(*programs: str) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs on this machine: {', '.join(missing)}")


def test_launch_when_logins_differ_from_host_to_host_then_trains(node_cluster: Cluster, node_estate: Estate) -> None:
    """A key, another user with another interface setting, a jump host, a password from the vault; facts gathered."""
    if core() < (2, 19):
        _installed("sshpass")
    nodes, access = node_cluster.nodes, node_cluster.access
    node_estate.inventory(dict(zip(NAMES, nodes, strict=True)), model="demo_env", grace_s=3)
    node_estate.write(
        "host_vars/beta.yml",
        {"ansible_user": "root", "gloo_interface": "auto", "madengine_path": "/run/node/bin/madengine"},
    )
    through = f"ssh -i {access.key} {access.ssh_args()} -W %h:%p {access.user}@{nodes[0].address}"
    node_estate.write(
        "host_vars/gamma.yml", {"ansible_ssh_common_args": f"{access.ssh_args()} -o ProxyCommand='{through}'"}
    )
    node_estate.write("host_vars/delta/main.yml", {"ansible_ssh_private_key_file": "{{ omit }}"})
    node_estate.write("host_vars/delta/vault.yml", {"ansible_password": access.password})
    node_estate.write("group_vars/training.yml", {"container_env_secret": {"HF_TOKEN": SECRET}})
    node_estate.write("secret", "of the estate\n")
    vault = ("--vault-password-file", "secret")
    node_estate.run("ansible-vault", "encrypt", *vault, "host_vars/delta/vault.yml", "group_vars/training.yml")
    node_estate.write("site.yml", [{"hosts": GROUP, "gather_facts": True, "roles": ["madlaunch.multinode.job"]}])
    played = node_estate.play("site.yml", *vault, "-v")
    played.check_ok(*NAMES)
    assert (nodes[1].path("/root/.local/state/madlaunch/runs")).is_dir()
    assert [word for word in (SECRET, access.password) if word in played.text] == []
    assert any("HF_TOKEN=********" in line for line in played.lines("delta", 3))


def test_launch_when_hosts_are_hardened_then_trains(node_cluster: Cluster, node_estate: Estate) -> None:
    """fish, csh, sudo that asks for a terminal and a password, sudo and su; /tmp is not for programs."""
    _installed("fish", "tcsh", "sudo")
    nodes = node_cluster.nodes
    root = {"ansible_become": True, "madengine_path": "/run/node/bin/madengine"}
    # Than the task_timeout of the estate, which must not end a training.
    longer = {"DEMO_SECONDS": "6"}
    node_estate.inventory(dict(zip(NAMES, nodes, strict=True)), model="demo_sleep", container_env=longer, grace_s=3)
    node_estate.write("host_vars/gamma.yml", {**root, "ansible_become_password": node_cluster.access.password})
    node_estate.write("host_vars/delta.yml", root)
    with contextlib.ExitStack() as changed:
        changed.enter_context(login_shell(nodes[0], "/usr/bin/fish"))
        changed.enter_context(login_shell(nodes[1], "/usr/bin/tcsh"))
        changed.enter_context(sudoers(nodes[2], _ASKS_FOR_TERMINAL))
        changed.enter_context(sudoers(nodes[3], _ASKS_NOTHING))
        for node in nodes:
            node.exec(["mount", "-o", "remount,noexec", "/tmp"])
            changed.callback(node.exec, ["mount", "-o", "remount,exec", "/tmp"])
        played = node_estate.play(LAUNCH, timeout_s=120, **HARDENED)
    played.check_ok(*NAMES)
    # What a terminal or a file brought there is gone again.
    assert list(nodes[2].path("/root/.ansible/tmp").glob("*")) + list(nodes[2].path("/tmp").glob("ansible*")) == []


def test_preflight_when_sudo_cannot_be_used_then_names_the_hosts(node_cluster: Cluster, node_estate: Estate) -> None:
    """Nothing is started, each host has its reason, and the one that is well is judged all the same."""
    _installed("sudo")
    become = {"ansible_become": True, "ansible_become_password": node_cluster.access.password}
    node_estate.inventory(dict(zip(NAMES[:3], node_cluster.nodes, strict=False)), model="demo_env")
    node_estate.write("host_vars/beta.yml", {**become, "ansible_become_password": "wrong"})
    node_estate.write("host_vars/gamma.yml", {**become, "ansible_remote_tmp": "/proc/no"})
    with sudoers(node_cluster.nodes[1], "mluser ALL=(ALL) ALL\n"), sudoers(node_cluster.nodes[2], _ASKS_FOR_TERMINAL):
        played = node_estate.play(LAUNCH)
    assert played.returncode == PLAYBOOK_FAILED
    # Each on a line of its own, and once: ansible-core before 2.19 shows the message of a task as one line of JSON.
    assert [line.partition(" Fix: ")[0] for line in played.text.splitlines() if line.startswith("error: ")] == [
        "error: python on beta: The preflight cannot run: Incorrect sudo password",
        "error: python on gamma: The preflight cannot run: no temporary directory could be made on the host",
    ]


@pytest.mark.parametrize("has_pipelining", [True, False], ids=["standard-input", "by-file"])
def test_launch_when_hosts_are_containers_then_trains(
    node_cluster: Cluster, node_estate: Estate, *, has_pipelining: bool
) -> None:
    """A connection plugin that is not ssh, with standard input (as docker, podman) and without (as paramiko)."""
    nodes = dict(zip(NAMES[:2], node_cluster.nodes, strict=False))
    node_estate.write("connection_plugins/inside.py", _CONNECTION.format(name="inside", has_pipelining=has_pipelining))
    node_estate.inventory(
        nodes, model="demo_env", grace_s=3, ansible_connection="inside", madengine_path="/run/node/bin/madengine"
    )
    for name, node in nodes.items():
        node_estate.write(f"host_vars/{name}.yml", {"node_pid": str(node.namespaces.pid), "ansible_user": "root"})
    played = node_estate.play(LAUNCH, ANSIBLE_CONNECTION_PLUGINS=str(node_estate.folder / "connection_plugins"))
    played.check_ok(*nodes)
    assert [list(node.path("/root/.ansible/tmp").glob("*")) for node in nodes.values()] == [[], []]


def test_launch_when_the_host_is_this_machine_then_trains(node_cluster: Cluster, node_estate: Estate) -> None:
    """The connection `local`: one rank on the control node itself."""
    place = node_estate.folder / "programs"
    place.mkdir()
    programs = link_programs(place, NodeOptions(gpus=1), str(DEMO))
    here = {"ansible_connection": "local", "master_addr": "127.0.0.1", "mad_dir": str(DEMO / "MAD")}
    none = {"shared_data_path": "", "nccl_interface": "", "gloo_interface": ""}
    # Other tests run on this machine, too.
    beside = {"share_hosts": True, "skip_checks": ["leftovers"]}
    node_estate.inventory({"here": node_cluster.nodes[0]}, model="demo_env", **here, **none, **beside)
    played = node_estate.play(LAUNCH, MADENGINE_STANDIN="2", PATH=f"{programs}:{os.environ['PATH']}")
    played.check_ok("here")


def _pythons() -> list[Path]:
    """Return interpreters of other versions that can be shown to nodes, the oldest and the newest first."""
    places = [place for place in (Path.home() / ".pyenv/versions").glob("3.*") if int(place.name.split(".")[1]) >= 8]
    places.sort(key=lambda place: [int(part) for part in place.name.split(".")])
    return [*places[:1], *places[-1:], *places[1:-1]][:3]


def test_launch_when_nodes_have_other_pythons_then_trains(
    make_cluster: MakeCluster, installed: Path, tmp_path: Path
) -> None:
    """Each node uses its own, from 3.8 on, whatever the control node has."""
    pythons = _pythons()
    if len(pythons) < 2:
        pytest.skip("needs other versions of Python, as pyenv installs them")
    different = {index: NodeOptions(python=place / "bin/python3") for index, place in enumerate(pythons)}
    cluster = make_cluster(len(pythons) + 1, overrides=different, options=ClusterOptions(visible=tuple(pythons)))
    names = NAMES[: len(cluster.nodes)]
    with estate_of(cluster, tmp_path, installed) as estate:
        estate.inventory(dict(zip(names, cluster.nodes, strict=True)), model="demo_env", grace_s=3)
        estate.play(LAUNCH).check_ok(*names)
