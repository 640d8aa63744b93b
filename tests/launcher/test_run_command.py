# SPDX-License-Identifier: GPL-3.0-or-later
"""The command and the environment of ansible-playbook."""

from __future__ import annotations

from pathlib import Path

from madlaunch.run import command_line, environment, find_collection
from madlaunch.secrets import Secret, Secrets
from tests.launcher import small_collection as small


def test_command_line_when_everything_is_given_holds_no_value_of_the_user(tmp_path: Path) -> None:
    """The command names files and options; our inventory is the last source."""
    request = small.request(
        tmp_path,
        inventory_sources=("/etc/inv", "x,"),
        limit="-odd:&x",
        forks=64,
        check_mode=True,
        secrets=Secrets(ssh_password=Secret("pw")),
        extra_vars={"model": "m"},
    )
    assert command_line(request, Path("/p/inventory.json"), Path("/p/extra_vars.json")) == [
        "ansible-playbook",
        "--inventory",
        "/etc/inv",
        "--inventory",
        "x,",
        "--inventory",
        "/p/inventory.json",
        "--limit=-odd:&x",
        "--extra-vars",
        "@/p/extra_vars.json",
        "--forks",
        "64",
        "--check",
        "--ask-pass",
        "madlaunch.multinode.launch",
    ]


def test_environment_when_the_user_has_settings_keeps_only_the_harmless_ones() -> None:
    """Passwords, settings that change the output, and the job numbers of batch systems stay outside."""
    own = {
        "HOME": "/home/u",
        "LANG": "de_DE.UTF-8",
        "LC_TIME": "de_DE.UTF-8",
        "LC_ALL": "xx",
        "LANGUAGE": "de",
        "JOB_ID": "not-a-number",
        "MADLAUNCH_SSH_PASSWORD": "pw",
        "ANSIBLE_STDOUT_CALLBACK": "oneline",
        "ANSIBLE_CONFIG": "/etc/a.cfg",
        "ANSIBLE_COLLECTIONS_PATH": "/mine",
        "PATH": "/bin",
    }
    prepared = {
        **own,
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "ANSIBLE_CALLBACK_PLUGINS": "/user/plugins:/runner/callback",
        "ORIGINAL_STDOUT_CALLBACK": "oneline",
        "AWX_ISOLATED_DATA_DIR": "/p/artifacts/play",
    }
    result = environment(prepared, {"ANSIBLE_HOST_KEY_CHECKING": "0"}, own, Path("/p/collections"))
    chosen = {name: value for name, value in result.items() if name not in {"PATH", "ANSIBLE_NOCOLOR"}}
    assert chosen == {
        "HOME": "/home/u",
        "LANG": "C.UTF-8",
        "ANSIBLE_CONFIG": "/etc/a.cfg",
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "ANSIBLE_CALLBACK_PLUGINS": "/runner/callback",
        "AWX_ISOLATED_DATA_DIR": "/p/artifacts/play",
        "ANSIBLE_HOST_KEY_CHECKING": "0",
        "ANSIBLE_COLLECTIONS_PATH": "/p/collections:/mine:~/.ansible/collections:/usr/share/ansible/collections",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "MAX_EVENT_RES": "100000000",
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_NO_LOG": "0",
        "ANSIBLE_DISPLAY_OK_HOSTS": "1",
        "ANSIBLE_VERBOSITY": "0",
        "ANSIBLE_DEBUG": "0",
        "ANSIBLE_TASK_TIMEOUT": "0",
        "ANSIBLE_ANY_ERRORS_FATAL": "0",
        "ANSIBLE_RUN_TAGS": "all",
        "ANSIBLE_SKIP_TAGS": "never",
        "ANSIBLE_INVENTORY_ENABLED": "host_list,script,auto,yaml,ini,toml",
        "ANSIBLE_ASK_PASS": "0",
        "ANSIBLE_ASK_VAULT_PASS": "0",
        "ANSIBLE_BECOME_ASK_PASS": "0",
        "ANSIBLE_ENABLE_TASK_DEBUGGER": "0",
        "ANSIBLE_INJECT_FACT_VARS": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
    }


def test_find_collection_when_run_from_the_clone_returns_the_clone(repository: Path) -> None:
    """The launcher of a clone uses the collection of that clone."""
    assert find_collection() == repository
