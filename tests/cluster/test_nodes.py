# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes are what they are said to be (in namespaces; needs root)."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import ClusterOptions, NodeOptions, Shared
from tests.cluster.programs import interpreter_dirs

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.fixtures import MakeCluster

_CHILD = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time; print(time.clock_gettime(time.CLOCK_REALTIME))"])
"""
pytestmark = [pytest.mark.cluster, pytest.mark.namespace]


def test_session_when_logged_in_then_it_is_that_nodes_world(node_cluster: Cluster) -> None:
    """Hostname, login, home, PATH and interface of a session are the node's own."""
    line = 'echo $(hostname) $(id -un) $PWD $HOME $PATH $MADENGINE_STANDIN $(ls /sys/class/net) "$(ls -d /home/*)"'
    seen = [node_cluster.ssh(index, line).stdout.split() for index in range(4)]
    path = "/run/node/bin:/usr/local/bin:/usr/bin:/bin"
    same = ["mluser", "/home/mluser", "/home/mluser", path, "2", "ens14np0", "lo", "/home/mluser"]
    assert seen == [[f"node{number:02d}", *same] for number in range(1, 5)]


def test_nodes_when_compared_then_each_has_its_own_boot_id_and_tmp(node_cluster: Cluster) -> None:
    """What a node writes below /tmp and its home, no other node sees; no two nodes booted together."""
    node_cluster.ssh(0, "touch /tmp/mine ~/mine")
    line = "cat /proc/sys/kernel/random/boot_id; ls /tmp; ls ~ | grep mine; rm -f ~/mine"
    seen = [node_cluster.ssh(index, line).stdout.split() for index in range(4)]
    assert [words[1:] for words in seen] == [["mine", "mine"], [], [], []]
    assert len({words[0] for words in seen}) == 4
    node_cluster.nodes[0].exec(["rm", "/tmp/mine"])


def test_machine_when_node_writes_then_it_is_unchanged(node_cluster: Cluster) -> None:
    """Not even root on a node can write to this machine's programs and settings."""
    node = node_cluster.nodes[0]
    done = [node.exec(["touch", f"{path}/intruder"], check=False) for path in ("/etc", "/usr/bin", "/var/lib", "/opt")]
    assert [("Read-only file system" in each.stderr, each.returncode) for each in done] == [(True, 1)] * 4


def test_names_when_used_on_either_side_then_nodes_are_reached(node_cluster: Cluster) -> None:
    """The control side and every node know all nodes by name."""
    addresses = [node.address for node in node_cluster.nodes]
    names = [node.name for node in node_cluster.nodes]
    control = node_cluster.run(["getent", "ahostsv4", *names]).stdout
    inside = node_cluster.nodes[3].exec(["getent", "ahostsv4", *names]).stdout
    assert [line.split()[0] for line in control.splitlines() if "STREAM" in line] == addresses
    assert inside == control
    assert node_cluster.nodes_arg(names=True) == "node01,node02,node03,node04"


@pytest.mark.parametrize(
    ("shared", "expected"),
    [
        (Shared.SHARED, ["storage:/export", "tmpfs", "seen", "written"]),
        (Shared.READONLY, ["storage:/export", "tmpfs", "seen"]),
        (Shared.SEPARATE, ["node01:/export", "tmpfs", "written"]),
        (Shared.PLAIN, ["written"]),
        (Shared.MISSING, []),
    ],
    ids=str,
)
def test_shared_path_when_chosen_then_node_has_it(
    make_cluster: MakeCluster, shared: Shared, expected: list[str]
) -> None:
    """`/nfs/data` is the same file system as elsewhere, read-only, another one, no mount, or not there."""
    cluster = make_cluster(1, NodeOptions(shared=shared))
    (cluster.shared / "seen").touch()
    line = "findmnt -no SOURCE,FSTYPE /nfs/data; ls /nfs/data; touch /nfs/data/x && echo written"
    assert cluster.ssh(0, line).stdout.split() == expected


def test_shared_path_when_written_on_one_node_then_others_read_it(node_cluster: Cluster) -> None:
    """One file system lies at /nfs/data of all nodes: same content, same device number."""
    node_cluster.ssh(0, "echo nonce > /nfs/data/probe")
    seen = [node_cluster.ssh(index, "cat /nfs/data/probe; stat -c %d /nfs/data").stdout.split() for index in range(4)]
    (node_cluster.shared / "probe").unlink()
    assert {words[0] for words in seen} == {"nonce"}
    assert len({words[1] for words in seen}) == 1
    assert node_cluster.ssh(0, "stat -c %d ~").stdout.strip() != seen[0][1]


def test_homes_when_shared_then_all_nodes_have_one(make_cluster: MakeCluster) -> None:
    """With `shared_home`, a file made by one login is there for the other."""
    cluster = make_cluster(2, options=ClusterOptions(shared_home=True))
    cluster.ssh(0, "echo one > ~/mark")
    assert cluster.ssh(1, "cat ~/mark").stdout == "one\n"
    assert (cluster.nodes[1].home / "mark").read_text() == "one\n"


@pytest.mark.parametrize("gpus", [0, 1, 8])
def test_rocm_smi_when_gpus_are_chosen_then_it_counts_them(make_cluster: MakeCluster, gpus: int) -> None:
    """All three output forms list each device; a node without GPUs has no such tool."""
    cluster = make_cluster(1, NodeOptions(gpus=gpus))
    done = cluster.ssh(0, "rocm-smi --showid --json && rocm-smi --showid --csv && rocm-smi --showid")
    if not gpus:
        assert (done.returncode, done.stdout) == (127, "")
        return
    lines = done.stdout.splitlines()
    assert list(json.loads(lines[0])) == [f"card{number}" for number in range(gpus)]
    assert [line.split(",")[0] for line in lines[1 : gpus + 2]] == ["device", *(f"card{n}" for n in range(gpus))]
    assert sum("Device ID:" in line for line in lines) == gpus


def test_rocm_smi_when_asked_something_else_then_it_refuses(node_cluster: Cluster) -> None:
    """An option that was never looked at gives no answer; changed counts are seen at once."""
    assert node_cluster.ssh(0, "rocm-smi --showtemp").returncode == 2
    node_cluster.nodes[0].set_gpus(3)
    assert len(json.loads(node_cluster.ssh(0, "rocm-smi --showid --json").stdout)) == 3
    node_cluster.nodes[0].set_gpus(2)


def test_variables_when_given_then_sessions_have_them_unchanged(make_cluster: MakeCluster) -> None:
    """Every SSH session has the node's variables, with whatever characters; `exec` has them as well."""
    hostile = "two words \"quoted\" 'single' $HOME `id` back\\slash #hash =;é"
    cluster = make_cluster(1, NodeOptions(env={"FIRST": hostile, "SECOND": "2"}, madengine=""))
    line = 'printf "%s|%s|%s" "$FIRST" "$SECOND" "$MADENGINE_STANDIN"'
    assert cluster.ssh(0, line).stdout == f"{hostile}|2|"
    assert cluster.nodes[0].exec(["sh", "-c", line]).stdout == f"{hostile}|2|"


def test_root_when_chosen_then_it_logs_in(make_cluster: MakeCluster) -> None:
    """The launcher's login can be root, with a home directory of its own."""
    cluster = make_cluster(1, options=ClusterOptions(user="root"))
    assert cluster.ssh(0, "id -un; pwd; ls -A | grep -v MAD").stdout.split() == ["root", "/root"]
    assert cluster.launcher_args()[2:4] == ["--ssh-user", "root"]


@pytest.mark.parametrize("user", ["mluser", "root"])
def test_password_when_right_then_it_logs_in(make_cluster: MakeCluster, user: str) -> None:
    """Both logins have the password; a wrong one is refused. Keys are not tried."""
    cluster = make_cluster(1, options=ClusterOptions(user=user, password='p "q" $r'))
    ask = cluster.base / "ask"
    ask.write_text('#!/bin/sh\nprintf "%s\\n" "$ANSWER"\n')
    ask.chmod(0o700)
    argv = ["ssh", "-F", "none", *cluster.access.ssh_args().split(), "-o", "PubkeyAuthentication=no"]
    argv += ["-o", "NumberOfPasswordPrompts=1", f"{user}@{cluster.nodes[0].address}", "id -un"]
    env = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "PATH": "/usr/bin:/bin"}
    done = [cluster.run(argv, env={**env, "ANSWER": answer}) for answer in (cluster.access.password, "wrong")]
    assert [(each.returncode, each.stdout) for each in done] == [(0, f"{user}\n"), (255, "")]


def test_interpreter_when_visible_then_it_runs_on_nodes(make_cluster: MakeCluster) -> None:
    """A node can be given this test's own Python, with the packages that it has, as its `python3`."""
    python = interpreter_dirs()[0] / "bin" / "python3"
    cluster = make_cluster(1, NodeOptions(python=python), options=ClusterOptions(visible=interpreter_dirs()))
    done = cluster.ssh(0, 'python3 -c "import pytest, sys; print(sys.prefix)"')
    assert (done.stdout, done.stderr) == (f"{sys.prefix}\n", "")


def test_second_network_when_chosen_then_only_nodes_reach_it(make_cluster: MakeCluster) -> None:
    """The second interface has an address of another network, which nodes reach and the control side does not."""
    cluster = make_cluster(2, NodeOptions(interface="eth0", second_interface="ens15np0"))
    first, second = cluster.nodes
    assert first.second_address.startswith("198.19.")
    interfaces = [line.split() for line in first.exec(["ip", "-br", "-4", "address"]).stdout.splitlines()]
    assert [(name.partition("@")[0], address) for name, _, address in interfaces] == [
        ("lo", "127.0.0.1/8"),
        ("eth0", f"{first.address}/24"),
        ("ens15np0", f"{first.second_address}/24"),
    ]
    reach = ["bash", "-c", f"exec 3<>/dev/tcp/{first.second_address}/22"]
    assert second.exec(reach, check=False).returncode == 0
    assert "Network is unreachable" in cluster.run(reach).stderr


def test_hosts_lines_when_given_then_they_come_first(make_cluster: MakeCluster) -> None:
    """A node can believe something wrong about a name, as Debian's 127.0.1.1 line makes it do."""
    cluster = make_cluster(2, overrides={0: NodeOptions(hosts_lines=("127.0.1.1 node01",))})
    seen = [node.exec(["getent", "ahostsv4", "node01"]).stdout.split()[0] for node in cluster.nodes]
    assert seen == ["127.0.1.1", cluster.nodes[0].address]


@pytest.mark.parametrize(
    "command",
    [
        'python3 -c "import time; print(time.time())"',
        'python3 -I -S -c"import time; print(time.time())"',
        'echo "import time; print(time.time())" | python3 -',
        'echo "import sys, time; print(time.time_ns() / 1e9, sys.argv[1])" > ~/t; python3 -u ~/t "an argument"',
        f"python3 -W ignore -c {shlex.quote(_CHILD)}",
    ],
    ids=["code", "isolated", "stdin", "script", "child"],
)
def test_clock_when_shifted_then_python_on_that_node_sees_it(make_cluster: MakeCluster, command: str) -> None:
    """`python3` of that node is ten minutes ahead, in whatever way it is started."""
    cluster = make_cluster(1, NodeOptions(clock_skew_s=600))
    done = cluster.ssh(0, f"date +%s; {command}")
    assert done.stderr == ""
    true, seen = done.stdout.splitlines()
    assert float(seen.split()[0]) - float(true) == pytest.approx(600, abs=5)


def test_state_directory_when_small_then_it_gets_full(make_cluster: MakeCluster) -> None:
    """The login's state directory can be a file system that a test fills; the home itself is not full."""
    cluster = make_cluster(1, NodeOptions(state_kib=256))
    line = "cd ~/.local/state/madlaunch && echo start > file && stat -c %U . && df --output=size . | tail -1"
    assert cluster.ssh(0, line).stdout.split() == ["mluser", "256"]
    cluster.nodes[0].fill("/home/mluser/.local/state/madlaunch")
    done = cluster.ssh(0, "echo x > ~/.local/state/madlaunch/more; echo x > ~/elsewhere && echo fine")
    assert "No space left on device" in done.stderr
    assert done.stdout == "fine\n"
