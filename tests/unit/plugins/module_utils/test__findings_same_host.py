# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight finds when two ranks have one machine."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.findings_case import Case, finding

ONE = {"boot_id": "boot1", "network": "net:[1]"}


def test_evaluate_when_two_hosts_are_one_machine_then_both_are_named() -> None:
    """A name and an address, or two names in the inventory, may stand for one host."""
    assert Case().spoil(3, **ONE).findings() == [
        finding(
            "same_host",
            "error",
            "node3",
            message="node3 is the same machine as node1: two ranks would share its GPUs and its ports.",
            seen="one boot and one network stack at 10.9.0.1 and 10.9.0.3",
            expected="a machine for each rank",
            fix="Name each host once, node1 or node3; if this is meant: --skip-check same_host",
        )
    ]


@pytest.mark.parametrize(
    ("second", "found"),
    [
        pytest.param({"network": "net:[2]"}, False, id="containers"),
        pytest.param({"boot_id": "boot2"}, False, id="machines"),
        pytest.param({}, True, id="one"),
    ],
)
def test_evaluate_when_hosts_share_a_kernel_or_a_number_then_they_are_still_two(
    second: dict[str, str], *, found: bool
) -> None:
    """Containers of one machine have its boot, and first networks have the same number on every machine."""
    case = Case(2).spoil(1, **ONE).spoil(2, **{**ONE, **second})
    assert [one["check"] for one in case.findings()] == ["same_host"] * found


def test_evaluate_when_nothing_tells_the_machines_apart_then_nobody_is_accused() -> None:
    """A host without /proc says nothing of itself."""
    case = Case(2)
    for number in (1, 2):
        case.spoil(number, boot_id="", network="")
    assert case.findings() == []


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        pytest.param(("127.0.3.1", "127.0.3.2"), False, id="both-loopback"),
        pytest.param(("127.0.0.1", "10.9.0.2"), True, id="one-loopback"),
    ],
)
def test_evaluate_when_nodes_are_on_loopback_then_they_may_share_a_machine(
    addresses: tuple[str, str], *, found: bool
) -> None:
    """Nobody names two of these addresses for two machines (quick-start.sh, tests)."""
    case = Case(2).spoil(2, **ONE)
    for number, address in enumerate(addresses, start=1):
        case.set_host(number, address=address)
    assert [one["check"] for one in case.findings()] == ["same_host"] * found
