# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays, inventories and limits of an estate that cannot carry a launch: refused before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.estating import CHECK, GROUP, LAUNCH, PLAYBOOK_FAILED
from tests.integration.preflighting import runs

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.integration.estating import Estate

pytestmark = [pytest.mark.cluster]

JOB = "madlaunch.multinode.job"
ROLE: dict[str, Any] = {"hosts": GROUP, "gather_facts": False, "roles": [JOB]}
LATER = {"import_playbook": LAUNCH, "vars": {"target": GROUP}}
BREAKS_B = {
    "hosts": GROUP,
    "gather_facts": False,
    "tasks": [{"ansible.builtin.fail": {"msg": "broken"}, "when": "inventory_hostname == 'b'"}],
}

_WANTING = """
from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = '''
name: wanting
short_description: a connection without its library
description: a connection without its library
author: tests
'''


class Connection(ConnectionBase):
    transport = "wanting"
    has_pipelining = True

    def _connect(self):
        raise AnsibleError("paramiko is not installed: No module named 'paramiko'")

    def exec_command(self, cmd, in_data=None, sudoable=True):
        self._connect()

    def put_file(self, in_path, out_path):
        self._connect()

    def fetch_file(self, in_path, out_path):
        self._connect()

    def close(self):
        pass
"""


@pytest.fixture
def estate(node_estate: Estate, node_cluster: Cluster) -> Estate:
    """An estate of two hosts, `a` and `b`."""
    node_estate.inventory(dict(zip("ab", node_cluster.nodes, strict=False)), model="demo_env", lease_s=5, grace_s=2)
    return node_estate


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["-e", "target=trianing"], "matches 'trianing', so nothing would be done"),
        (["-e", "target=training:!training"], "matches 'training:!training', so nothing would be done"),
        (["-e", "target=b", "--limit", "a"], "matches 'b' within --limit a, so nothing would be done"),
        (["-e", "target=b", "--limit", "all,!b"], "matches 'b' within --limit all,!b, so nothing would be done"),
    ],
    ids=["misspelt", "empty-group", "limit-leaves-nothing", "limit-excludes"],
)
def test_playbook_when_no_host_is_meant_then_it_fails(estate: Estate, words: list[str], what: str) -> None:
    """Ansible alone would skip the play and exit with 0, as if the training had gone well."""
    played = estate.play(LAUNCH, *words)
    assert played.returncode != 0
    assert f"No host of the inventory {what}" in played.text


def test_playbook_when_the_inventory_is_empty_then_it_fails(estate: Estate) -> None:
    """The implicit localhost is no host of a training."""
    estate.write("hosts.yml", {GROUP: {}})
    played = estate.play(CHECK, "-e", "model=demo_env")
    assert played.returncode != 0
    assert "No host of the inventory matches 'all', so nothing would be done" in played.text


def test_playbook_when_only_looked_at_then_needs_no_hosts(estate: Estate) -> None:
    """Linters and pipelines look at the syntax of a playbook without an inventory."""
    estate.write("site.yml", [LATER])
    estate.write("hosts.yml", {"others": {}})
    assert estate.play("site.yml", "--syntax-check").returncode == 0


@pytest.mark.parametrize(
    ("plays", "what"),
    [
        ([{**ROLE, "serial": 1}], "the play has its hosts in batches (serial): 1 of 2 are in this one."),
        ([{**ROLE, "strategy": "free"}], "the play has the strategy free, with which each host goes"),
        ([{**ROLE, "strategy": "host_pinned"}], "the play has the strategy host_pinned, with which each host goes"),
        ([BREAKS_B, LATER], "hosts of the play have failed before in this playbook: b."),
    ],
    ids=["serial", "free", "host-pinned", "failed-before"],
)
def test_play_when_it_cannot_have_all_ranks_at_once_then_is_refused(
    estate: Estate, node_cluster: Cluster, plays: list[dict[str, Any]], what: str
) -> None:
    """With a part of its hosts a training would hang, or be another one than was asked for."""
    before = runs(node_cluster.nodes[0])
    estate.write("site.yml", plays)
    played = estate.play("site.yml", timeout_s=60)
    assert (played.returncode, what in played.text) == (PLAYBOOK_FAILED, True), played.text
    assert runs(node_cluster.nodes[0]) == before


def test_status_when_the_play_is_serial_then_is_refused(estate: Estate) -> None:
    """One answer of all hosts is made of the answers of all hosts."""
    tasks = [{"ansible.builtin.import_role": {"name": JOB, "tasks_from": "status"}}]
    estate.write("site.yml", [{"hosts": GROUP, "gather_facts": False, "serial": 1, "tasks": tasks}])
    played = estate.play("site.yml")
    assert (played.returncode, "in batches (serial): 1 of 2" in played.text) == (PLAYBOOK_FAILED, True), played.text


def test_setting_of_the_run_when_it_differs_from_host_to_host_then_is_refused(estate: Estate) -> None:
    """That of one host would be taken, and nobody would know of which."""
    estate.write("host_vars/b.yml", {"master_port": 5000})
    played = estate.play(LAUNCH)
    what = "master_port is not the same for a and b, but it is of the run as a whole."
    assert (played.returncode, what in played.text) == (PLAYBOOK_FAILED, True), played.text
    assert "master_port is not the same" not in estate.play(LAUNCH, "--check", "-e", "master_port=5000").text


@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({"node_rank": "two"}, "node_rank of b is 'two', which is no whole number. Number the hosts"),
        ({"ansible_connection": "nope"}, "b has ansible_connection 'nope', and Ansible has no such connection plugin."),
        ({"ansible_connection": "winrm"}, "b has ansible_connection 'winrm', as hosts of Windows have;"),
        ({"ansible_shell_type": "powershell"}, "b has ansible_shell_type 'powershell', as hosts of Windows have;"),
    ],
    ids=["rank", "no-plugin", "winrm", "powershell"],
)
def test_host_when_it_can_have_no_rank_then_is_refused_by_its_name(
    estate: Estate, variables: dict[str, str], what: str
) -> None:
    """At once: the other hosts would wait for one that Ansible gives up before its task begins."""
    estate.write("host_vars/a.yml", {"node_rank": 0} if "node_rank" in variables else {})
    estate.write("host_vars/b.yml", variables)
    played = estate.play(CHECK, timeout_s=30)
    assert (played.returncode, what in played.text) == (PLAYBOOK_FAILED, True), played.text


def test_preflight_when_a_connection_lacks_its_library_then_says_what_to_install(estate: Estate) -> None:
    """The plugin is there and can be loaded, and fails at its host; the other one is judged all the same."""
    estate.write("connection_plugins/wanting.py", _WANTING)
    estate.write("host_vars/b.yml", {"ansible_connection": "wanting"})
    played = estate.play(CHECK, timeout_s=60, ANSIBLE_CONNECTION_PLUGINS=str(estate.folder / "connection_plugins"))
    assert played.returncode == PLAYBOOK_FAILED
    assert "error: python on b: The preflight cannot run: paramiko is not installed" in played.text
    assert "Fix: Install what it needs on the control node, or take another ansible_connection: ssh," in played.text


def test_preflight_when_the_estate_ends_at_the_first_error_then_still_reports(estate: Estate) -> None:
    """With any_errors_fatal Ansible would end at the first host without an answer, before the findings of the rest."""
    estate.write("host_vars/b.yml", {"ansible_port": 2222})
    estate.write("host_vars/a.yml", {"nccl_interface": "ens99"})
    played = estate.play(LAUNCH, ANSIBLE_ANY_ERRORS_FATAL="True")
    assert played.returncode == PLAYBOOK_FAILED
    assert "error: interface on a: There is no interface ens99" in played.text
    assert "error: reach on b: Not reachable: the host is there, but no SSH server listens on that port." in played.text


def test_preflight_when_forks_are_too_few_then_says_what_to_set(estate: Estate) -> None:
    """The ranks would start one after the other."""
    played = estate.play(CHECK, "--forks", "1")
    assert played.returncode == PLAYBOOK_FAILED
    fix = "In Ansible: ansible-playbook --forks 2, or ANSIBLE_FORKS=2, or Forks = 2 in the AWX job template."
    assert fix in played.text


@pytest.mark.parametrize("keyword", ["ignore_errors", "run_once", "throttle"])
def test_play_when_it_hands_a_keyword_down_then_the_launch_is_as_without(estate: Estate, keyword: str) -> None:
    """A failed check is not to be ignored, and all ranks run at once, whatever the estate has for its other tasks."""
    estate.write("site.yml", [{**ROLE, keyword: 1 if keyword == "throttle" else True}])
    played = estate.play("site.yml", timeout_s=90)
    assert [rank["state"] for rank in played.outcome["ranks"]] == ["ok", "ok"], played.text
    refused = estate.play("site.yml", "-e", "shared_data_path=/nope", timeout_s=90)
    assert (refused.returncode, refused.outcome) == (PLAYBOOK_FAILED, {}), refused.text
    assert "nothing was started" in refused.text
