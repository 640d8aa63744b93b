# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that did not arrive as they were typed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError
from ansible_collections.madlaunch.multinode.plugins.module_utils._retyped import MARK, settle

from tests.awx import shape

SPEC: dict[str, dict[str, Any]] = {
    "model": {"type": "str", "required": True},
    "master_addr": {"type": "str", "default": ""},
    "on_failure": {"type": "str", "choices": ["stop", "wait"], "default": "stop"},
    "timeout_s": {"type": "int", "default": 3600},
    "fold": {"type": "bool", "default": False},
    "skip_checks": {"type": "list", "elements": "str", "default": []},
    "show_ranks": {"type": "str", "default": "auto"},
    "version": {"type": "str", "choices": ["auto", "1", "2"], "default": "auto"},
    "container_env": {"type": "dict", "default": {}},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
    "host": {"type": "dict", "options": {"nccl_interface": {"type": "str"}, "nproc_per_node": {"type": "int"}}},
}


@pytest.mark.parametrize("blank", ["", None], ids=["2.18", "2.19"])
def test_settle_when_answers_are_blank_then_texts_are_empty_and_the_rest_is_not_given(blank: str | None) -> None:
    """A blank answer arrives in two ways, by the version of ansible-core, and means the same in both."""
    given = dict.fromkeys(SPEC, blank)
    given["host"] = {"nccl_interface": blank, "nproc_per_node": blank}  # type: ignore[assignment]  # as a task has it
    assert settle(SPEC, given) == {
        "model": "",
        "master_addr": "",
        "show_ranks": "",
        "host": {"nccl_interface": ""},
    }


@pytest.mark.parametrize("value", [1.1, True, False, dt.date(2026, 11, 22)], ids=["1.10", "yes", "no", "date"])
@pytest.mark.parametrize("place", ["model", "host"])
def test_settle_when_a_text_was_taken_for_another_type_then_it_is_refused(value: object, place: str) -> None:
    """It would be another value than the one that was meant: 1.1 for 1.10."""
    given = {"model": value} if place == "model" else {"host": {"nccl_interface": value}}
    with pytest.raises(PlanError, match="arrived as") as caught:
        settle(SPEC, given)
    assert caught.value.option == ("model" if place == "model" else "nccl_interface")


def test_settle_when_values_are_of_their_types_then_changes_nothing() -> None:
    """Also whole numbers, which a version or the id of a run may well be."""
    given = {"model": "m", "master_addr": 4711, "timeout_s": 5, "fold": True, "skip_checks": ["gpus"], "other": None}
    assert settle(SPEC, given) == {name: value for name, value in given.items() if name != "other"}


@pytest.mark.parametrize("given", [{"model": 493}, {"host": {"nccl_interface": 34}}], ids=["model", "host"])
def test_settle_when_awx_brings_a_whole_number_for_a_text_then_it_is_refused(given: dict[str, Any]) -> None:
    """493 may have been typed as 0755, 34 as 0042, and nobody can tell."""
    with pytest.raises(PlanError, match=r"arrived as (493|34), not as text") as caught:
        settle(SPEC, given, in_awx=True)
    assert f"Type {MARK} before the answer" in caught.value.hint


def test_settle_when_awx_brings_a_whole_number_that_can_be_nothing_else_then_it_is_taken() -> None:
    """A choice, which the choices are compared with, and the number of a rank."""
    given = {"version": 2, "show_ranks": 0, "timeout_s": 5}
    assert settle(SPEC, given, in_awx=True) == given


@pytest.mark.parametrize("value", ["1.10", "0755", "~", "", "yes"])
@pytest.mark.parametrize("in_awx", [True, False], ids=["awx", "playbook"])
def test_settle_when_a_text_is_marked_then_it_is_the_text_after_the_mark(value: str, in_awx: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """In every option that is text, and in every variable of an environment."""
    marked = {"model": MARK + value, "host": {"nccl_interface": MARK + value}}
    marked |= {name: {"A": MARK + value} for name in ("container_env", "container_env_secret")}
    assert settle(SPEC, marked, in_awx=in_awx) == {
        "model": value,
        "host": {"nccl_interface": value},
        "container_env": {"A": value},
        "container_env_secret": {"A": value},
    }


@pytest.mark.parametrize(
    ("value", "in_awx"),
    [(1.1, False), (True, False), (None, False), (dt.date(2026, 1, 2), False), ([1], False), ({}, False), (493, True)],
    ids=["float", "bool", "nothing", "date", "list", "dict", "octal"],
)
def test_settle_when_a_variable_of_the_environment_is_no_text_then_it_is_refused(value: object, in_awx: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """By its name; it was turned into text before, whatever it had become."""
    with pytest.raises(PlanError, match="B of container_env arrived as"):
        settle(SPEC, {"container_env": {"A": "1", "B": value}}, in_awx=in_awx)


def test_settle_when_a_file_has_whole_numbers_in_the_environment_then_they_are_taken() -> None:
    """`OMP_NUM_THREADS: 1` is what it looks like; so is a number of a JSON object, also under AWX."""
    assert settle(SPEC, {"container_env": {"A": 1}}) == {"container_env": {"A": 1}}
    assert settle(SPEC, {"container_env": '{"A": 1}'}, in_awx=True) == {"container_env": {"A": 1}}


@pytest.mark.parametrize("value", [75507, 1.1, True, None, dt.date(2026, 1, 2)], ids=str)
def test_settle_when_a_secret_is_no_text_then_it_is_refused_without_its_value(value: object) -> None:
    """Whoever wrote it: a password without quotes is another password."""
    with pytest.raises(PlanError, match=r"B of container_env_secret did not arrive as text\.") as caught:
        settle(SPEC, {"container_env_secret": {"A": "x", "B": value}})
    assert str(value) not in caught.value.message + caught.value.hint


def test_settle_when_secrets_are_one_text_then_an_error_shows_none_of_it() -> None:
    """A line without a name may be the secret itself."""
    assert settle(SPEC, {"container_env_secret": f"A={MARK}x y\nB=z"}) == {
        "container_env_secret": {"A": "x y", "B": "z"}
    }
    with pytest.raises(PlanError, match=r"has a line without '='\.") as caught:
        settle(SPEC, {"container_env_secret": "A=1\nhf_012345"})
    assert "hf_" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "text", ["1.10", "007", "0755", "yes", "~", "null", "12:30:45", "1_000", "2026-11-22", "+5", "="]
)
def test_settle_when_ansible_reads_a_marked_answer_of_awx_then_it_is_what_was_typed(tmp_path: Path, text: str) -> None:
    """Through the loader of this ansible-core, from a file as AWX writes it."""
    path = tmp_path / "extravars"
    answers = {"model": MARK + text, "container_env_secret": {"A": MARK + text}}
    path.write_text(shape.extra_vars({}, shape.Given({}, answers)))
    given = DataLoader().load_from_file(str(path))  # type: ignore[no-untyped-call]  # Ansible has no types
    expected = {"model": text, "container_env_secret": {"A": text}}
    assert settle(SPEC, {name: given[name] for name in expected}, in_awx=True) == expected


def test_settle_when_several_are_chosen_in_one_text_then_it_is_a_list() -> None:
    """The default of a question with several choices has one a line."""
    assert settle(SPEC, {"skip_checks": "gpus\nclock, forks\n"}) == {"skip_checks": ["gpus", "clock", "forks"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n B=two words, = and 'quotes'\n\n", {"A": "1", "B": "two words, = and 'quotes'"}),
        ('{"A": "1"}', {"A": "1"}),
        ("A=", {"A": ""}),
    ],
    ids=["lines", "json", "empty"],
)
def test_settle_when_an_environment_is_text_then_has_one_variable_a_line(text: str, expected: dict[str, str]) -> None:
    """As a person types it in a text area."""
    assert settle(SPEC, {"container_env": text}) == {"container_env": expected}


@pytest.mark.parametrize("text", ["A", "A=1\nrest", '{"A": 1'])
def test_settle_when_a_line_is_no_variable_then_it_is_refused(text: str) -> None:
    """The error says how it is given."""
    with pytest.raises(PlanError, match="container_env") as caught:
        settle(SPEC, {"container_env": text})
    assert caught.value.hint == "Give one NAME=VALUE a line."
