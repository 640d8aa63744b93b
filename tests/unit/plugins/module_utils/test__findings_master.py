# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight finds about the master: address, port, and the way of every rank to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.findings_case import Case, finding

OTHER_PORT = "use another port: --master-port 4001 (variable master_port)"
FIREWALL = "Open the port on node1: sudo ufw allow 4000/tcp, or sudo firewall-cmd --add-port=4000/tcp"
SILENCE = "no answer, as with a firewall that drops packets."
OTHER_NCCL = "--nccl-interface eth0 (variable nccl_interface)"
OTHER_BOTH = f"{OTHER_NCCL} and --gloo-interface eth0 (variable gloo_interface)"
OTHER_INTERFACE = f"; or choose another interface: {OTHER_BOTH}"
NOT_REACHED = "node1 (10.0.0.1, port 4000) is not reached"
BOTH = ["nccl_interface", "gloo_interface"]
THROUGH_BOTH = "through interface ens14np0 (nccl_interface and gloo_interface)"


def holder(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - any fact
    """Return who holds the port."""
    return {"pid": 77, "user": "bob", "command": "python3 serve.py", "run_id": None, **values}


def cut_off(**told: Any) -> Case:  # noqa: ANN401 - any fact
    """Return a case in which rank 0's listener, and the nonce with it, went away before the others had come."""
    case = Case().spoil_confirmed(1, **told)
    for number in (2, 3):
        case.spoil_confirmed(number, "nonce", seen=False, matches=False)
        case.block(number, "refused", error="Connection refused")
    return case


def taken(by: dict[str, Any] | None) -> Case:
    """Return a launch whose master port is held."""
    error = "Permission denied" if by is None else "Address already in use"
    return Case().spoil(1, "master", port_free=False, port_error=error, holder=by, listener=None)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(
            Case().spoil(1, "master", owns_addr=False),
            finding(
                "master_addr",
                "error",
                "node1",
                message="Rank 0 does not own the master address 10.0.0.1, nor does any host of the launch.",
                seen="addresses of node1: 10.9.0.1, 10.0.0.1",
                expected="10.0.0.1 on an interface of rank 0",
                fix="Use an address of rank 0 that the other hosts reach: "
                "--master-addr 10.9.0.1 (variable master_addr)",
            ),
            id="nobody-owns-it",
        ),
        pytest.param(
            Case().spoil(1, "master", owns_addr=False).spoil(3, "master", owns_addr=True),
            finding(
                "master_addr",
                "error",
                "node1",
                message="Rank 0 does not own the master address 10.0.0.1; node3 does.",
                seen="addresses of node1: 10.9.0.1, 10.0.0.1",
                expected="10.0.0.1 on an interface of rank 0",
                fix="Make node3 rank 0 (name it first, or node_rank: 0), or use an address of this host: "
                "--master-addr 10.9.0.1 (variable master_addr)",
            ),
            id="another-host-owns-it",
        ),
        pytest.param(
            Case().set(master_addr="head").spoil(2, "master", resolved=[], resolve_error="Name or service not known"),
            finding(
                "master_addr",
                "error",
                "node2",
                message="The master address head cannot be resolved there: Name or service not known.",
                seen="Name or service not known",
                expected="an address",
                fix="Give an address instead of a name: --master-addr 10.9.0.1 (variable master_addr)",
            ),
            id="unknown-name",
        ),
        pytest.param(
            Case().set(master_addr="head").spoil(2, "master", resolved=["127.0.1.1"], owns_addr=True),
            finding(
                "master_addr",
                "error",
                "node2",
                message="The master address head is this host itself there (127.0.1.1), but rank 0 is node1.",
                seen="127.0.1.1",
                expected="an address of node1",
                fix="Give an address that is the same everywhere: --master-addr 10.9.0.1 (variable master_addr)",
            ),
            id="means-itself",
        ),
        pytest.param(
            taken(holder()),
            finding(
                "master_port",
                "error",
                "node1",
                message="Port 4000 is held by process 77 of bob: python3 serve.py.",
                seen="process 77 of bob: python3 serve.py",
                expected="a free port",
                fix=f"End it if it is not needed: kill 77; or {OTHER_PORT}",
            ),
            id="port-held",
        ),
        pytest.param(
            taken(holder(run_id="mad-1")),
            finding(
                "master_port",
                "error",
                "node1",
                message="Port 4000 is held by the earlier run mad-1 of yours (process 77).",
                seen="run mad-1",
                expected="a free port",
                fix="python launcher.py stop mad-1 --nodes 10.9.0.1 (in Ansible: ansible-playbook -i INVENTORY "
                f"madlaunch.multinode.stop -e run_id=mad-1); or {OTHER_PORT}",
            ),
            id="port-held-by-a-run",
        ),
        pytest.param(
            taken(holder(pid=None, command="")),
            finding(
                "master_port",
                "error",
                "node1",
                message="Port 4000 is held by a process of user bob, which only that user or root can see.",
                seen="user bob",
                expected="a free port",
                fix=f"See which: sudo ss -tanp 'sport = :4000'; or {OTHER_PORT}",
            ),
            id="port-held-by-another-user",
        ),
        pytest.param(
            taken(None),
            finding(
                "master_port",
                "error",
                "node1",
                message="Port 4000 cannot be taken: Permission denied.",
                seen="Permission denied",
                expected="a free port",
                fix=f"See who holds it: sudo ss -tanp 'sport = :4000'; or {OTHER_PORT}",
            ),
            id="port-not-allowed",
        ),
        pytest.param(
            Case().spoil_confirmed(1, port_free=False),
            finding(
                "master_port",
                "error",
                "node1",
                message="Port 4000 was not free again after the preflight.",
                seen="taken",
                expected="a free port",
                fix="See who holds it: ss -ltnp 'sport = :4000'; or use another port: "
                "--master-port 4001 (variable master_port)",
            ),
            id="port-not-free-again",
        ),
        pytest.param(
            cut_off(taken_by="mad-2", port_free=False),
            finding(
                "master_port",
                "error",
                "node1",
                message="Another launch of yours, mad-2, came and took port 4000 during this preflight.",
                seen="run mad-2",
                expected="a free port",
                fix=f"Run one of the two at a time; or {OTHER_PORT}",
            ),
            id="port-taken-by-a-later-launch",
        ),
        pytest.param(
            cut_off(taken_by="", port_free=True),
            finding(
                "master_port",
                "error",
                "node1",
                message="The listener on port 4000 was ended during this preflight, likely by another launch of yours.",
                seen="ended",
                expected="a listener until all hosts have come",
                fix="See which runs there are: python launcher.py list --nodes 10.9.0.1; "
                f"run one of them at a time, or {OTHER_PORT}",
            ),
            id="listener-ended",
        ),
    ],
)
def test_evaluate_when_rank_0_cannot_be_master_then_it_says_why(case: Case, expected: dict[str, Any]) -> None:
    """Address and port are rank 0's, and nobody else's."""
    assert case.findings() == [expected]


@pytest.mark.parametrize("port", [80, 1023])
def test_evaluate_when_the_port_needs_root_then_a_port_for_everybody_is_proposed(port: int) -> None:
    """The next port would need root as well."""
    (found,) = taken(None).set(master_port=port).findings()
    other = "use another port: --master-port 4000 (variable master_port)"
    assert found["fix"] == f"Ports below 1024 need root; {other}"


@pytest.mark.parametrize(("master_addr", "told"), [("head", []), ("other", ["node2"])], ids=["its-name", "another"])
def test_evaluate_when_rank_0_told_nothing_then_its_name_is_not_complained_of_again(
    master_addr: str, told: list[str]
) -> None:
    """That rank 0 is not reached is the cause; a name that means something else is a mistake of its own."""
    unknown = {"resolved": [], "resolve_error": "Name or service not known"}
    case = Case().set(master_addr=master_addr).set_host(1, address="head").spoil(2, "master", **unknown)
    case.probes["node1"], case.confirms["node1"] = {"unreachable": "Could not resolve hostname head"}, {}
    assert [found["host"] for found in case.findings() if found["check"] == "master_addr"] == told


def test_evaluate_when_no_address_of_rank_0_is_known_then_the_bad_name_is_not_proposed() -> None:
    """The name that cannot be resolved is no fix for itself."""
    unknown = {"resolved": [], "resolve_error": "Name or service not known"}
    case = Case().set(master_addr="head").set_host(1, address="head").spoil(2, "master", **unknown)
    for name in ("eth0", "ens14np0"):
        case.probes["node1"]["facts"]["interfaces"][name]["addresses"] = []
    fixes = [found["fix"] for found in case.findings() if found["check"] == "master_addr"]
    assert fixes == ["Give an address instead of a name: --master-addr ADDRESS (variable master_addr)"]


def test_evaluate_when_ranks_share_one_machine_then_all_may_own_the_address() -> None:
    """Several ranks on one machine (in tests) see the same addresses, and that is no mistake."""
    case = Case().set(skip_checks=["same_host"])
    for number in (1, 2, 3):
        case.spoil(number, boot_id="one", network="net:[1]").spoil(number, "master", owns_addr=True)
    assert case.findings() == []


@pytest.mark.parametrize(
    ("told", "message", "fix"),
    [
        (
            {"kind": "timeout", "error": "no answer in time"},
            "node1 (10.0.0.1, port 4000) is not reached: " + SILENCE,
            FIREWALL,
        ),
        (
            {"kind": "timeout", "error": "no answer in time", "interface": "ens14np0", "settings": BOTH},
            f"node1 (10.0.0.1, port 4000) is not reached {THROUGH_BOTH}: {SILENCE}",
            FIREWALL + OTHER_INTERFACE,
        ),
        (
            {"kind": "refused", "error": "Connection refused"},
            "node1 (10.0.0.1, port 4000) is not reached: the connection is refused.",
            f"A firewall rejects it, or another host has 10.0.0.1. {FIREWALL}",
        ),
        (
            {"kind": "no_route", "error": "Network is unreachable", "interface": "ens14np0", "settings": BOTH[:1]},
            f"{NOT_REACHED} through interface ens14np0 (nccl_interface): there is no route.",
            f"See the routes on the host: ip route get 10.0.0.1; or choose another interface: {OTHER_NCCL}",
        ),
        (
            {"kind": "stranger", "error": "something else answers there: 'x'"},
            "node1 (10.0.0.1, port 4000) is not reached: something else answers there: 'x'.",
            "The address means another host there: getent hosts 10.0.0.1; ip neighbor show 10.0.0.1",
        ),
        (
            {"kind": "other", "error": "Strange"},
            "node1 (10.0.0.1, port 4000) is not reached: Strange.",
            "Try by hand on the host: nc -vz 10.0.0.1 4000",
        ),
    ],
    ids=["firewall", "firewall-on-interface", "refused", "no-route", "stranger", "other"],
)
def test_evaluate_when_a_rank_does_not_reach_rank_0_then_the_kinds_are_told_apart(
    told: dict[str, Any], message: str, fix: str
) -> None:
    """A firewall, a wrong route and another host behind the address need different hands."""
    found = Case().block(2, **told).findings()
    expected = "the listener of node1"
    whole = finding("rendezvous", "error", "node2", message=message, seen=told["error"], expected=expected, fix=fix)
    assert found == [whole]


@pytest.mark.parametrize(
    ("interface", "address"), [("lo", "127.0.0.1"), ("docker0", "172.17.0.1")], ids=["loopback", "bridge"]
)
def test_evaluate_when_an_interface_leads_to_the_host_itself_then_it_is_named_with_its_settings(
    interface: str, address: str
) -> None:
    """Rank 0 has the same address there; proposed is the interface of the route to rank 0."""
    case = Case().spoil(3, master_interface="eth0")
    found = case.block(3, "itself", address=address, interface=interface, settings=BOTH).findings()
    message = (
        f"Interface {interface} (nccl_interface and gloo_interface) does not lead to node1: "
        f"{address} is this host itself, too."
    )
    fix = f"Choose an interface of the network that the hosts share: {OTHER_BOTH}"
    seen, expected = f"{address} on both hosts", "an interface that leads to node1"
    assert found == [finding("rendezvous", "error", "node3", message=message, seen=seen, expected=expected, fix=fix)]


def test_evaluate_when_two_interfaces_fail_then_there_is_a_finding_for_each() -> None:
    """Both are named in one report."""
    case = Case().block(2, "no_route", interface="ib0", settings=BOTH[:1])
    found = case.block(2, "timeout", interface="eth9", settings=BOTH[1:]).findings()
    assert [one["message"].partition("reached ")[2] for one in found] == [
        "through interface ib0 (nccl_interface): there is no route.",
        f"through interface eth9 (gloo_interface): {SILENCE}",
    ]


def test_evaluate_when_there_was_no_listener_then_no_rank_is_accused() -> None:
    """With the port taken, nobody could be reached, and only the port is to blame."""
    case = taken(holder())
    for number in (2, 3):
        case.spoil_confirmed(number, "rendezvous", tried=False)
    assert [one[:3] for one in case.brief()] == [("master_port", "error", "node1")]
