# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: ranks, addresses, and the requests that are refused before any host is contacted."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import (
    HostInput,
    PlanError,
    Request,
    make_plan,
    node_rank_of,
)

CHECKS = ("clock", "gpus")
REQUEST = Request(run_id="mad-1", model="demo_train", nonce="n", log_dir="/log", forks=50)
A = HostInput("a", "198.18.0.1")
B = HostInput("b", "198.18.0.2")
C = HostInput("c", "198.18.0.3")


def ranks(plan: dict[str, Any]) -> dict[str, int]:
    """Return {host: node_rank} in the order of the plan."""
    return {name: host["node_rank"] for name, host in plan["hosts"].items()}


def plan_of(hosts: list[HostInput], **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the request has
    """Return the plan of the usual request with `changes`."""
    return make_plan(dataclasses.replace(REQUEST, **changes), hosts, CHECKS)


@pytest.mark.parametrize(("value", "rank"), [(None, None), (0, 0), (7, 7), ("7", 7), ("-1", -1)])
def test_node_rank_when_it_is_a_whole_number_then_is_it(value: object, rank: int | None) -> None:
    """Also as text, as templates give it with ansible-core before 2.19."""
    assert node_rank_of("a", value) == rank


@pytest.mark.parametrize("value", ["two", "", "1.5", 1.5, True, [0]])
def test_node_rank_when_it_is_no_whole_number_then_host_and_value_are_named(value: object) -> None:
    """1.5 and true would be rank 1."""
    with pytest.raises(PlanError) as caught:
        node_rank_of("a", value)
    assert (caught.value.option, caught.value.message) == (
        "node_rank",
        f"node_rank of a is {value!r}, which is no whole number.",
    )


def test_plan_holds_every_value_of_the_request() -> None:
    """The plan is the whole request, with the words split and the hosts in rank order."""
    assert plan_of([A, B], additional_args="--x 'a b'", skip_checks=("clock",)) == {
        "schema": 1,
        "run_id": "mad-1",
        "model": "demo_train",
        "master_addr": "198.18.0.1",
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
        "additional_args": ["--x", "a b"],
        "nnodes": 2,
        "madengine_version": "auto",
        "runner": "torchrun",
        "container_env": {},
        "secret_names": [],
        "in_place": False,
        "skip_checks": ["clock"],
        "log_dir": "/log",
        "nonce": "n",
        "forks": 50,
        "hosts": {
            "a": {"node_rank": 0, "address": "198.18.0.1"},
            "b": {"node_rank": 1, "address": "198.18.0.2"},
        },
    }


@pytest.mark.parametrize("master", ["c", "198.18.0.3"], ids=["by-name", "by-address"])
def test_plan_moves_the_host_of_master_addr_to_the_front(master: str) -> None:
    """Rank 0 is the host that master_addr names; the others keep their order."""
    plan = plan_of([A, B, C], master_addr=master)
    assert ranks(plan) == {"c": 0, "a": 1, "b": 2}
    assert list(plan["hosts"]) == ["c", "a", "b"]


def test_plan_keeps_the_order_when_master_addr_is_another_address_of_rank_0() -> None:
    """The seed's example: SSH on one network, training on another."""
    plan = plan_of([A, B], master_addr="192.168.0.1")
    assert (plan["master_addr"], ranks(plan)) == ("192.168.0.1", {"a": 0, "b": 1})


def test_plan_obeys_node_rank_of_the_inventory() -> None:
    """A node_rank on every host decides, whatever the order of the play."""
    hosts = [
        dataclasses.replace(A, node_rank=2),
        dataclasses.replace(B, node_rank=0),
        dataclasses.replace(C, node_rank=1),
    ]
    assert ranks(plan_of(hosts)) == {"b": 0, "c": 1, "a": 2}


@pytest.mark.parametrize(
    ("hosts", "changes", "option", "part"),
    [
        ([], {}, "target", "no host"),
        ([A, B], {"nnodes": 3}, "nnodes", "nnodes is 3, but the play has 2 hosts"),
        ([dataclasses.replace(A, node_rank=0), B], {}, "node_rank", "b has none"),
        ([dataclasses.replace(A, node_rank=1), dataclasses.replace(B, node_rank=1)], {}, "node_rank", "[1, 1]"),
        (
            [dataclasses.replace(A, node_rank=0), dataclasses.replace(B, node_rank=1)],
            {"master_addr": "b"},
            "master_addr",
            "b",
        ),
        ([A], {"run_id": "../up"}, "run_id", "'../up'"),
        ([A], {"run_id": "a\nb"}, "run_id", "'a\\nb'"),
        ([A], {"model": ""}, "model", "empty"),
        ([A], {"model": "-rf"}, "model", "'-rf'"),
        ([A], {"model": "a\nb"}, "model", "'a\\nb'"),
        ([A], {"master_addr": "a;b"}, "master_addr", "'a;b'"),
        ([A], {"master_port": 0}, "master_port", "0"),
        ([A], {"master_port": 65536}, "master_port", "65536"),
        ([A], {"timeout_s": -1}, "timeout_s", "-1"),
        ([A], {"detach": True, "max_restarts": 2}, "max_restarts", "nobody follows a detached run"),
        ([A], {"detach": True, "silence_timeout_s": 60}, "silence_timeout_s", "nobody follows a detached run"),
        ([A], {"additional_args": "--x 'open"}, "additional_args", "--x 'open"),
        ([A], {"skip_checks": ("moon",)}, "skip_checks", "'moon'"),
        ([A], {"container_env": {"A B": "1"}}, "container_env", "'A B'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_plan_refuses_and_names_the_option(
    hosts: list[HostInput], changes: dict[str, Any], option: str, part: str
) -> None:
    """Each refusal names the option and the value, and says what is allowed."""
    with pytest.raises(PlanError) as caught:
        plan_of(hosts, **changes)
    assert caught.value.option == option
    assert part in caught.value.message
    assert caught.value.hint
