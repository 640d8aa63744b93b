# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings to the playbook's variables, and how they reach Ansible unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from madlaunch import settings_table as table
from madlaunch.secrets import Secret
from madlaunch.variables import RunPlace, build_variables, unsafe
from tests.launcher.settling import HOSTILE, RUN_ID, settle

PLACE = RunPlace(RUN_ID, Path("/logs"))


def test_variables_when_nothing_is_given_then_all_have_their_defaults() -> None:
    """The whole interface of the playbook, by scope."""
    made = build_variables(settle({}, model="tag"), PLACE, {}, foreign_inventory=False)
    assert made.run == {
        "model": "tag",
        "additional_args": "",
        "madengine_version": "auto",
        "in_place": False,
        "runner": "torchrun",
        "container_env": {},
        "container_env_secret": {},
        "nnodes": 0,
        "master_addr": "",
        "master_port": 4000,
        "timeout_s": 3600,
        "grace_s": 15,
        "lease_s": 60,
        "on_failure": "stop",
        "silence_timeout_s": 0,
        "max_restarts": 0,
        "fold": False,
        "show_ranks": "auto",
        "share_hosts": False,
        "detach": False,
        "skip_checks": [],
        "run_id": RUN_ID,
        "log_dir": "/logs",
    }
    assert made.host == {
        "madengine_path": "madengine",
        "mad_dir": "MAD",
        "nproc_per_node": 0,
        "nccl_interface": "ens14np0",
        "gloo_interface": "ens14np0",
        "shared_data_path": "/nfs/data",
        "node_state_dir": "",
    }


def test_defaults_when_compared_with_the_role_then_are_the_same(repository: Path) -> None:
    """The table and the role's defaults say the same, so a default means the same through every door."""
    text = (repository / "roles" / "job" / "defaults" / "main.yml").read_text(encoding="utf-8")
    ours = build_variables(settle({}), PLACE, {}, foreign_inventory=False)
    made_here = {"run_id": "", "log_dir": ""}
    assert {**ours.run, **ours.host, **made_here, "model": ""} == {"model": "", **yaml.safe_load(text)}


FLAGS = {
    "model": ("m", "run", "model", "m"),
    "master_addr": ("192.0.2.9", "run", "master_addr", "192.0.2.9"),
    "master_port": ("5000", "run", "master_port", 5000),
    "timeout": ("7200", "run", "timeout_s", 7200),
    "additional_args": ("--some-extra-flag", "run", "additional_args", "--some-extra-flag"),
    "madengine_version": ("2", "run", "madengine_version", "2"),
    "runner": ("deepspeed", "run", "runner", "deepspeed"),
    "in_place": ("yes", "run", "in_place", True),
    "env": ("A=1", "run", "container_env", {"A": "1"}),
    "nnodes": ("2", "run", "nnodes", 2),
    "grace_s": ("5", "run", "grace_s", 5),
    "lease_s": ("0", "run", "lease_s", 0),
    "on_failure": ("wait", "run", "on_failure", "wait"),
    "silence_timeout_s": ("600", "run", "silence_timeout_s", 600),
    "max_restarts": ("3", "run", "max_restarts", 3),
    "fold": ("yes", "run", "fold", True),
    "show_ranks": ("0,2-3", "run", "show_ranks", "0,2-3"),
    "share_hosts": ("yes", "run", "share_hosts", True),
    "detach": ("yes", "run", "detach", True),
    "skip_check": ("clock", "run", "skip_checks", ["clock"]),
    "shared_data_path": ("/mnt/x", "host", "shared_data_path", "/mnt/x"),
    "nccl_interface": ("eth0", "host", "nccl_interface", "eth0"),
    "gloo_interface": ("eth1", "host", "gloo_interface", "eth1"),
    "madengine_path": ("/opt/madengine", "host", "madengine_path", "/opt/madengine"),
    "mad_dir": ("/opt/MAD", "host", "mad_dir", "/opt/MAD"),
    "nproc_per_node": ("8", "host", "nproc_per_node", 8),
    "node_state_dir": ("/var/mad", "host", "node_state_dir", "/var/mad"),
}


def test_flags_when_listed_then_every_setting_of_the_playbook_is_there() -> None:
    """No flag is left out of the next test."""
    assert set(FLAGS) == {row.name for row in table.TABLE if row.scope != "launcher"}


@pytest.mark.parametrize(("name", "case"), FLAGS.items(), ids=FLAGS)
def test_flag_when_given_then_reaches_its_variable(name: str, case: tuple[str, str, str, Any]) -> None:
    """With the user's own inventory only what was given is passed on, in the right scope."""
    text, scope, variable, value = case
    made = build_variables(settle({}, **{name: text}), PLACE, {}, foreign_inventory=True)
    run = {"run_id": RUN_ID, "log_dir": "/logs"} | ({variable: value} if scope == "run" else {})
    assert (made.run, made.host) == (run, {variable: value} if scope == "host" else {})


def test_variables_when_a_name_is_in_env_and_env_file_then_the_flag_wins() -> None:
    """As in docker."""
    settings = settle({}, env=("A=flag",))
    made = build_variables(settings, PLACE, {"A": Secret("file"), "B": Secret("b")}, foreign_inventory=True)
    assert (made.run["container_env"], made.run["container_env_secret"]) == ({"A": "flag"}, {"B": "b"})


def test_unsafe_when_given_any_json_then_marks_the_strings_alone() -> None:
    """Keys, numbers, booleans and null stay as they are."""
    assert unsafe({"a": ["x", 1, True, None, {"b": "y"}]}) == {
        "a": [{"__ansible_unsafe": "x"}, 1, True, None, {"b": {"__ansible_unsafe": "y"}}]
    }


PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "{{ {'inventory': from_inventory, 'extra': from_extra} | to_json }}"
        dest: "{{ target_file }}"
        mode: "0600"
"""


def test_hostile_values_when_real_ansible_reads_them_then_arrive_unchanged(tmp_path: Path) -> None:
    """Through an inventory file and an extra variables file; none is templated, retyped or emptied."""
    texts = [text for kind, text in HOSTILE.items() if kind not in {"nul", "surrogate"}]
    texts += ["1.10", "yes", "null", "None", "0x10", "[1, 2]", "{'a': 1}", "!unsafe x", "{% raw %}", "{# c #}", "~"]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {"all": {"hosts": {"here": {"node_rank": 0}}, "vars": {**local, "from_inventory": texts}}}
    target = tmp_path / "seen.json"
    extra = {"from_extra": {"texts": texts, "number": 4000, "flag": False}, "target_file": str(target)}
    (tmp_path / "inventory.json").write_text(json.dumps(unsafe(inventory)), encoding="utf-8")
    (tmp_path / "extra.json").write_text(json.dumps(unsafe(extra)), encoding="utf-8")
    (tmp_path / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "inventory.json", "-e", "@extra.json", "play.yml"],
        cwd=tmp_path,
        env=os.environ
        | {"LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": str(tmp_path), "ANSIBLE_REMOTE_TEMP": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert json.loads(target.read_text(encoding="utf-8")) == {
        "inventory": texts,
        "extra": {"texts": texts, "number": 4000, "flag": False},
    }
