# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ways a rank goes to rank 0, by its interfaces and settings."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import host, ways
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.interface_names import SETTINGS
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.reach import Way

NCCL, GLOO = SETTINGS
OWN = {
    "lo": ["127.0.0.1", "::1"],
    "docker0": ["172.17.0.1"],
    "eth0": ["10.9.0.2", "fe80::2"],
    "ib0": ["10.0.0.2", "fd00::2"],
    "six": ["fd01::2"],
    "bare": [],
}
PLAIN = Way("10.9.0.1", 4000, None, ())


@pytest.fixture(autouse=True)
def _host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interfaces of this rank, of which `gone0` is down; the master address is one of rank 0 on eth0."""
    found: dict[str, dict[str, object]] = {
        name: {"up": True, "addresses": addresses} for name, addresses in OWN.items()
    }
    found["gone0"] = {"up": False, "addresses": ["10.7.0.2"]}
    monkeypatch.setattr(ways, "interfaces", lambda: found)
    monkeypatch.setattr(ways, "resolve", lambda _name: ["fd09::1", "10.9.0.1"])


def planned(nccl: str, gloo: str, targets: tuple[list[str], list[str]], **args: Any) -> list[ways.Planned]:  # noqa: ANN401
    """Return the ways of a rank; `targets` are the addresses of rank 0 on the interfaces of each setting."""
    given = {"master_addr": "head", "interfaces": {NCCL: nccl, GLOO: gloo}, "master_machine": {"boot_id": "other"}}
    there = {"port": 4000, "targets": dict(zip(SETTINGS, targets, strict=True))}
    return ways.planned({**given, **args}, there)


def through(name: str, target: str, *settings: str, leads_home: bool = False) -> ways.Planned:
    """Return the way through one of the interfaces."""
    sources = tuple(address for address in OWN[name] if not address.startswith("fe80:"))
    return ways.Planned(Way(target, 4000, name, sources), settings, leads_home=leads_home)


@pytest.mark.parametrize(
    ("nccl", "gloo", "targets", "expected"),
    [
        pytest.param("", "", ([], []), [], id="none"),
        pytest.param("ib0", "ib0", (["10.0.0.1"], ["10.0.0.1"]), [through("ib0", "10.0.0.1", NCCL, GLOO)], id="same"),
        pytest.param(
            "ib0",
            "eth0",
            (["10.0.0.1"], ["10.9.0.1"]),
            [through("ib0", "10.0.0.1", NCCL), through("eth0", "10.9.0.1", GLOO)],
            id="two",
        ),
        pytest.param("", "eth0", ([], ["10.9.0.1"]), [through("eth0", "10.9.0.1", GLOO)], id="only-gloo"),
        pytest.param("=ib0,eth0", "", (["10.0.0.1"], []), [through("ib0", "10.0.0.1", NCCL)], id="first-of-a-list"),
        pytest.param("ib0", "", (["fd00::1", "10.0.0.1"], []), [through("ib0", "10.0.0.1", NCCL)], id="ipv4-first"),
        pytest.param("six", "", (["10.1.0.1", "fd01::1"], []), [through("six", "fd01::1", NCCL)], id="only-ipv6"),
        pytest.param("eth0", "", ([], []), [through("eth0", "10.9.0.1", NCCL)], id="rank-0-has-none"),
        pytest.param("gone0", "bare", (["10.7.0.1"], ["10.6.0.1"]), [], id="down-and-bare"),
        pytest.param("nope", "nope", ([], []), [], id="missing"),
        pytest.param(
            "lo",
            "lo",
            (["127.0.0.1"], ["127.0.0.1"]),
            [through("lo", "127.0.0.1", NCCL, GLOO, leads_home=True)],
            id="lo",
        ),
        pytest.param(
            "lo", "", (["10.0.0.1"], []), [through("lo", "10.0.0.1", NCCL, leads_home=True)], id="lo-only-here"
        ),
        pytest.param(
            "docker0",
            "eth0",
            (["172.17.0.1"], ["10.9.0.1"]),
            [through("docker0", "172.17.0.1", NCCL, leads_home=True), through("eth0", "10.9.0.1", GLOO)],
            id="bridge",
        ),
        pytest.param(
            "eth0", "", (["172.17.0.1"], []), [through("eth0", "172.17.0.1", NCCL, leads_home=True)], id="bridge-there"
        ),
        pytest.param(
            "eth0", "", (["172.17.0.1", "10.9.0.1"], []), [through("eth0", "10.9.0.1", NCCL)], id="one-of-its-own"
        ),
    ],
)
def test_planned_when_interfaces_are_set_then_each_is_a_way(
    nccl: str, gloo: str, targets: tuple[list[str], list[str]], expected: list[ways.Planned]
) -> None:
    """After the way of the system's routes comes one for each interface, and what leads to this host itself is told."""
    assert planned(nccl, gloo, targets) == [ways.Planned(PLAIN, (), leads_home=False), *expected]


def test_planned_when_rank_0_is_the_same_machine_then_interfaces_do_not_matter() -> None:
    """Ranks on one machine meet through its loopback interface."""
    found = planned("lo", "docker0", (["127.0.0.1"], ["172.17.0.1"]), master_machine=host.machine())
    assert found == [ways.Planned(PLAIN, (), leads_home=False)]
