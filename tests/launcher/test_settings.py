# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings table: sources and their order, parsers, and what an error says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from madlaunch import settings_table as table
from madlaunch.errors import SettingError
from madlaunch.secrets import Secret
from madlaunch.settings_sources import misspelled_variables
from tests.launcher.settling import HOSTILE, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from madlaunch.settings_model import Setting

BY_NAME = {setting.name: setting for setting in table.TABLE}


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that writes launch.yml and returns its name."""

    def write(text: str) -> str:
        (tmp_path / "launch.yml").write_text(text, encoding="utf-8")
        return "launch.yml"

    return write


# --- the table ------------------------------------------------------------------------------------------------------


def test_table_when_compared_with_the_seed_then_has_its_flags_and_defaults() -> None:
    """The flags of the README that this launcher implements, with its defaults."""
    seed = {
        "--model": "",
        "--nodes": "",
        "--ssh-user": "",
        "--ssh-password": None,
        "--ssh-key": "",
        "--master-addr": "",
        "--master-port": 4000,
        "--shared-data-path": "/nfs/data",
        "--nccl-interface": "ens14np0",
        "--gloo-interface": "ens14np0",
        "--timeout": 3600,
        "--madengine-path": "madengine",
        "--additional-args": "",
    }
    assert {row.flag: row.default for row in table.TABLE if row.flag in seed} == seed


def test_table_when_listed_then_names_are_unique() -> None:
    """Two rows never share a flag, a variable of the environment, or a variable of the playbook."""
    assert len({row.flag for row in table.TABLE}) == len(table.TABLE)
    variables = [row.variable_name for row in table.TABLE if row.scope != "launcher"]
    assert len(set(variables)) == len(variables)


@pytest.mark.parametrize("row", table.TABLE, ids=lambda row: row.name)
def test_default_when_written_out_then_its_own_parser_takes_it(row: Setting[Any]) -> None:
    """No default is a value that the user could not give."""
    if row.default in ("", None, (), {}):
        return
    assert settle({row.env_name: row.show(row.default)})[row] == row.default


# --- which source wins ----------------------------------------------------------------------------------------------


def test_sources_when_all_give_a_value_then_the_flag_wins(config: Callable[[str], str], tmp_path: Path) -> None:
    """Flag beats environment beats file beats default, and every value knows its source."""
    name = config("model: f\nnodes: f\nmaster_port: 1\n")
    environ = {"MADLAUNCH_MODEL": "e", "MADLAUNCH_NODES": "e", "MADLAUNCH_CONFIG": name}
    settings = settle(environ, tmp_path, model="g")
    told = {row.name: (row.value, row.source) for row in settings.rows()}
    assert {key: told[key] for key in ("model", "nodes", "master_port", "timeout")} == {
        "model": ("g", "command line"),
        "nodes": ("e", "environment variable MADLAUNCH_NODES"),
        "master_port": ("1", "launch.yml line 3, key master_port"),
        "timeout": ("3600", "default"),
    }


def test_sources_when_a_flag_equals_the_default_then_it_still_beats_the_file(
    config: Callable[[str], str], tmp_path: Path
) -> None:
    """--master-port 4000 is an order, although 4000 is the default."""
    assert settle({}, tmp_path, config=config("master_port: 5000"), master_port="4000")[table.MASTER_PORT] == 4000


def test_sources_when_a_bad_value_is_overruled_then_it_does_no_harm() -> None:
    """Only values that count are read."""
    assert settle({"MADLAUNCH_MASTER_PORT": "x"}, master_port="5000")[table.MASTER_PORT] == 5000


# --- the environment ------------------------------------------------------------------------------------------------


def test_environment_when_switches_and_lists_are_given_then_they_are_read() -> None:
    """A switch is yes or no, a list is the words of a shell."""
    settings = settle(
        {
            "MADLAUNCH_IN_PLACE": "Yes",
            "MADLAUNCH_VERBOSE": "0",
            "MADLAUNCH_ENV": "A=1 'B=two words' C=",
            "MADLAUNCH_SKIP_CHECK": "clock,gpus forks",
            "MADLAUNCH_INVENTORY": "'my hosts.yml' b,",
            "MADLAUNCH_NCCL_INTERFACE": "",
        }
    )
    assert (settings[table.IN_PLACE], settings[table.VERBOSE]) == (True, False)
    assert settings[table.ENV] == {"A": "1", "B": "two words", "C": ""}
    assert settings[table.SKIP_CHECK] == ("clock", "gpus", "forks")
    assert settings[table.INVENTORY] == ("my hosts.yml", "b,")
    assert settings[table.NCCL_INTERFACE] == ""


def test_environment_when_a_list_has_an_open_quote_then_refused() -> None:
    """The words of a list must be told apart before they mean anything."""
    with pytest.raises(SettingError) as caught:
        settle({"MADLAUNCH_ENV": "A='1"})
    assert caught.value.problem == (
        "--env: the words cannot be told apart: No closing quotation (from environment variable MADLAUNCH_ENV)"
    )


def test_environment_when_a_name_is_nearly_right_then_it_is_told() -> None:
    """A slip is told; the launcher's other variables and those of a job are none."""
    environ = dict.fromkeys(
        ("MADLAUNCH_MASTERPORT", "MADLAUNCH_RUN_ID", "MADLAUNCH_NODE_RANK", "MADLAUNCH_STATE_DIR", "MADLAUNCH_FOO"), "1"
    )
    assert misspelled_variables(table.TABLE, environ) == (
        "environment variable MADLAUNCH_MASTERPORT is not a setting and was ignored; MADLAUNCH_MASTER_PORT is one",
    )


# --- the file -------------------------------------------------------------------------------------------------------


def test_file_when_yaml_would_retype_a_value_then_it_stays_as_written(
    config: Callable[[str], str], tmp_path: Path
) -> None:
    """Yes, 1.10, 010 and a date are texts here; a key without a value gives nothing."""
    text = "ssh_user: yes\nnccl_interface: 1.10\nmodel: 2024-01-01\nmaster-port: '5000'\nmad_dir: 010\nlimit:\n"
    settings = settle({}, tmp_path, config=config(text))
    assert [settings[row] for row in (table.SSH_USER, table.NCCL_INTERFACE, table.MODEL, table.MAD_DIR)] == [
        *("yes", "1.10", "2024-01-01", "010"),
    ]
    assert settings[table.MASTER_PORT] == 5000
    assert not settings.is_given(table.LIMIT)


def test_file_when_it_has_lists_and_mappings_then_they_are_read(config: Callable[[str], str], tmp_path: Path) -> None:
    """Repeatable flags are lists, --env is a mapping too, the nodes may be a list."""
    text = "nodes: [b, 'n[1-2]']\nskip_check:\n- clock\n- gpus\nenv:\n  A: 1\n  B: 'x=y'\nin_place: true\n"
    settings = settle({}, tmp_path, config=config(text))
    assert settings[table.NODES] == "b,n[1-2]"
    assert settings[table.SKIP_CHECK] == ("clock", "gpus")
    assert settings[table.ENV] == {"A": "1", "B": "x=y"}
    assert settings[table.IN_PLACE] is True


@pytest.mark.parametrize(
    ("text", "problem", "next_step"),
    [
        (
            "# c\nmaster_prot: 1",
            "'master_prot' is not a setting (from launch.yml line 2, key master_prot)",
            "did you mean master_port?",
        ),
        (
            "config: x.yml",
            "'config' is not a setting (from launch.yml line 1, key config)",
            "launcher.py run --help lists the settings",
        ),
        (
            "model: a\nmodel: b",
            "--model: the key is there twice (from launch.yml line 2, key model)",
            "remove one of the two lines",
        ),
        (
            "master_port: high",
            "--master-port: 'high' is not a port (from launch.yml line 1, key master_port)",
            "correct it there; --master-port would overrule it",
        ),
        (
            "model: [a]",
            "--model: lists and mappings are not taken (from launch.yml line 1, key model)",
            "correct it there; --model would overrule it",
        ),
        (
            "skip_check: {a: b}",
            "--skip-check: a mapping is not taken (from launch.yml line 1, key skip_check)",
            "correct it there; --skip-check would overrule it",
        ),
        (
            "- a",
            "--config: 'launch.yml' is not a mapping (from the command line)",
            "correct --config; launcher.py run --help explains it",
        ),
    ],
    ids=["unknown", "config-in-config", "twice", "value", "list", "mapping", "no-mapping"],
)
def test_file_when_bad_then_the_line_and_the_key_are_told(
    config: Callable[[str], str], tmp_path: Path, text: str, problem: str, next_step: str
) -> None:
    """An error of the file names the file, the line and the key, and the nearest name of a setting."""
    with pytest.raises(SettingError) as caught:
        settle({}, tmp_path, config=config(text))
    assert (caught.value.problem, caught.value.next_step) == (problem, next_step)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file or directory"), (b"a: \xff", "it is not UTF-8"), (b"a: [", "is not YAML")],
    ids=["missing", "bytes", "yaml"],
)
def test_file_when_it_cannot_be_read_then_says_why(tmp_path: Path, content: bytes | None, words: str) -> None:
    """The name of the file and the reason are told."""
    if content is not None:
        (tmp_path / "c.yml").write_bytes(content)
    with pytest.raises(SettingError, match=words):
        settle({}, tmp_path, config="c.yml")


def test_file_when_empty_then_gives_nothing(config: Callable[[str], str], tmp_path: Path) -> None:
    """A file of comments is no error."""
    assert settle({}, tmp_path, config=config("# nothing yet\n"))[table.MASTER_PORT] == 4000


# --- values ---------------------------------------------------------------------------------------------------------

GOOD: dict[str, list[tuple[str, object]]] = {
    "master_port": [("1", 1), ("65535", 65535)],
    "timeout": [("0", 0), ("31536000", 31536000)],
    "lease_s": [("0", 0), ("10", 10)],
    "ssh_port": [("", None), ("2222", 2222)],
    "master_addr": [("", ""), ("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1"), ("::1", "::1")],
    "nccl_interface": [("", ""), ("auto", "auto"), ("ib0.8001", "ib0.8001"), ("bond0:1", "bond0:1")],
    "shared_data_path": [("", ""), ("/mnt/my data", "/mnt/my data")],
    "host_key_checking": [("strict", "strict"), ("off", "off")],
    "additional_args": [("--some-extra-flag", "--some-extra-flag"), ("a 'b c'", "a 'b c'"), ("", "")],
}
BAD = {
    "master_port": ["0", "65536", "-1", "4e3", "", " 1", "٣"],
    "timeout": ["-1", "1.5", "1h", "31536001", ""],
    "lease_s": ["1", "9"],
    "nnodes": ["4097"],
    "master_addr": ["a,b", "u@a", "a:1", "-x"],
    "nccl_interface": ["eth0,eth1", "a b", "x" * 16, "-eth0", "a/b"],
    "shared_data_path": ["nfs/data", "~/data", "-x"],
    "madengine_version": ["3", "v1", ""],
    "output": ["yaml"],
    "skip_check": ["all", ""],
    "in_place": ["maybe", ""],
    "env": ["A", "=1", "1A=1", "A B=1", "A-B=1"],
    "additional_args": ["'open"],
    "ssh_user": ["-l", "a b", "a;b"],
}


@pytest.mark.parametrize(("name", "text", "value"), [(name, *pair) for name, pairs in GOOD.items() for pair in pairs])
def test_value_when_allowed_then_is_read(name: str, text: str, value: object) -> None:
    """The edges of what is allowed."""
    assert settle({}, **{name: text})[BY_NAME[name]] == value


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_value_when_not_allowed_then_the_flag_the_form_and_the_source_are_told(name: str, text: str) -> None:
    """Every refusal has three parts: what, allowed, next step."""
    row = BY_NAME[name]
    with pytest.raises(SettingError) as caught:
        settle({}, **{name: text})
    error = caught.value
    assert error.problem.startswith(f"{row.flag}: ")
    assert error.problem.endswith("(from the command line)")
    assert error.allowed == row.parser.allowed
    assert error.next_step == f"correct {row.flag}; launcher.py run --help explains it"
    assert error.exit_code == 2


# What happens to each hostile text: taken as it is, or refused.
FREE = {
    "quote",
    "double-quote",
    "dollar",
    "command",
    "backtick",
    "space",
    "semicolon",
    "non-ascii",
    "template",
    "percent",
}
TAKEN = {
    "model": FREE,
    "madengine_path": FREE,
    "mad_dir": FREE,
    "node_state_dir": FREE | {"empty"},
    "runner": FREE,
    "log_dir": FREE | {"empty"},
    "limit": FREE | {"empty"},
    "additional_args": FREE - {"quote", "double-quote"} | {"newline", "dash", "empty"},
    "ssh_args": FREE - {"quote", "double-quote"} | {"newline", "dash", "empty"},
    "shared_data_path": {"empty"},
    "nccl_interface": {"empty"},
    "gloo_interface": {"empty"},
    "master_addr": {"empty"},
    "ssh_user": {"empty"},
    "ssh_password": FREE | {"dash"},
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", TAKEN)
def test_hostile_value_when_given_then_is_taken_unchanged_or_refused(name: str, kind: str) -> None:
    """No text is changed on its way in; what cannot be passed on unharmed is refused by name."""
    text = HOSTILE[kind]
    if kind in TAKEN[name]:
        value = settle({}, **{name: text})[BY_NAME[name]]
        assert value == (Secret(text) if name == "ssh_password" else text)
    else:
        with pytest.raises(SettingError, match=f"^error: {BY_NAME[name].flag}: "):
            settle({}, **{name: text})


@pytest.mark.parametrize("kind", sorted(set(HOSTILE) - {"nul", "surrogate"}))
def test_hostile_container_variable_when_given_then_its_value_is_unchanged(kind: str) -> None:
    """A container variable may hold any text, an empty one and a newline too."""
    assert settle({}, env=(f"A={HOSTILE[kind]}", "B=="))[table.ENV] == {"A": HOSTILE[kind], "B": "="}


@pytest.mark.parametrize("kind", ["nul", "surrogate"])
def test_hostile_container_variable_when_no_program_could_get_it_then_refused_without_its_value(kind: str) -> None:
    """A value may be a secret, so it is not in the message."""
    with pytest.raises(SettingError) as caught:
        settle({}, env=(f"TOKEN=hidden{HOSTILE[kind]}",))
    assert "TOKEN" in caught.value.problem
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "a\nb", "a\0b", "a\udcffb", "x" * 4097], ids=lambda text: f"{len(text)}-{text[:3]!r}"
)
def test_password_when_ssh_could_not_take_it_then_refused_without_showing_it(text: str) -> None:
    """The reason is told, the password is not."""
    with pytest.raises(SettingError) as caught:
        settle({}, ssh_password=text)
    assert not text or text not in str(caught.value)


def test_rows_when_shown_then_values_are_readable_and_the_password_is_masked() -> None:
    """The table of a dry run: switches, lists, mappings, nothing, and no secret."""
    rows = settle({}, ssh_password="hunter2", env=("A=1", "B=2"), skip_check="clock,gpus", in_place="yes").rows()
    told = {row.name: row.value for row in rows}
    assert [
        told[name] for name in ("ssh_password", "env", "skip_check", "in_place", "dry_run", "limit", "ssh_port")
    ] == [
        *("********", "A=1, B=2", "clock, gpus", "yes", "no", "", ""),
    ]
    assert "hunter2" not in repr(rows)
