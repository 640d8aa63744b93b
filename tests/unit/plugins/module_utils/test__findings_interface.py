# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight finds at the interfaces of one host, each finding as a whole value."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.plugins.module_utils.findings_case import Case, finding

# --- one host: (spoiled, the whole finding) ---------------------------------------------------------------------------

ONE_HOST: list[Any] = [
    pytest.param(
        Case().set_host(2, nccl_interface="ens99", gloo_interface="ens99"),
        finding(
            "interface",
            "error",
            "node2",
            message="There is no interface ens99 (setting nccl_interface).",
            seen="interfaces: eth0, ens14np0",
            expected="an interface ens99 that is up and has an address",
            fix="Choose one that is up, for this host in the inventory or for all: "
            "--nccl-interface eth0 (variable nccl_interface)",
        ),
        id="interface-missing",
    ),
    pytest.param(
        Case().set_host(2, gloo_interface="ens14"),
        finding(
            "interface",
            "error",
            "node2",
            message="There is no interface ens14 (setting gloo_interface).",
            seen="interfaces: eth0, ens14np0",
            expected="an interface ens14 that is up and has an address",
            fix="Choose one that is up, for this host in the inventory or for all: "
            "--gloo-interface eth0 (variable gloo_interface)",
        ),
        id="interface-prefix-for-gloo",
    ),
    pytest.param(
        Case().spoil(2, "interfaces", "ens14np0", up=False),
        finding(
            "interface",
            "error",
            "node2",
            message="Interface ens14np0 is down.",
            seen="down",
            expected="an interface ens14np0 that is up and has an address",
            fix="sudo ip link set ens14np0 up; or: Choose one that is up, for this host in the inventory or for all: "
            "--nccl-interface eth0 (variable nccl_interface)",
        ),
        id="interface-down",
    ),
    pytest.param(
        Case().spoil(2, "interfaces", "ens14np0", carrier=False),
        finding(
            "interface",
            "error",
            "node2",
            message="Interface ens14np0 is up but has no link.",
            seen="no carrier",
            expected="an interface ens14np0 that is up and has an address",
            fix="Check cable and switch port. Choose one that is up, for this host in the inventory or for all: "
            "--nccl-interface eth0 (variable nccl_interface)",
        ),
        id="interface-without-link",
    ),
    pytest.param(
        Case().spoil(2, "interfaces", "ens14np0", addresses=["fe80::1"]),
        finding(
            "interface",
            "error",
            "node2",
            message="Interface ens14np0 has no usable address.",
            seen="addresses: fe80::1",
            expected="an interface ens14np0 that is up and has an address",
            fix="sudo ip addr add ADDRESS/BITS dev ens14np0; or: Choose one that is up, for this host in the "
            "inventory or for all: --nccl-interface eth0 (variable nccl_interface)",
        ),
        id="interface-without-address",
    ),
    pytest.param(
        Case().set(nccl_interface="auto", gloo_interface="").spoil(2, master_interface=None),
        finding(
            "interface",
            "error",
            "node2",
            message="nccl_interface is auto, but the interface of the route to 10.0.0.1 cannot be told.",
            seen="no interface for the way to 10.0.0.1",
            expected="a route to the master",
            fix="Name it: --nccl-interface eth0 (variable nccl_interface); or give master_addr as an address.",
        ),
        id="interface-auto-without-route",
    ),
]


@pytest.mark.parametrize(("case", "expected"), ONE_HOST)
def test_evaluate_when_one_thing_is_wrong_then_just_that_is_found(case: Case, expected: dict[str, Any]) -> None:
    """Each mistake gives one finding on its host, with what was seen, what was expected and what mends it."""
    assert case.findings() == [expected]


@pytest.mark.parametrize(("case", "expected"), ONE_HOST)
def test_evaluate_when_the_check_is_skipped_then_nothing_is_found(case: Case, expected: dict[str, Any]) -> None:
    """A skipped check says nothing, whatever it saw."""
    skipping = copy.deepcopy(case).set(skip_checks=[expected["check"]])
    assert skipping.findings() == []
