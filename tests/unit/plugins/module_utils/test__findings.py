# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgment of the preflight as a whole: order, skipping, forks, clocks."""

from __future__ import annotations

import copy

import pytest

from tests.unit.plugins.module_utils.findings_case import Case, finding


def test_evaluate_when_all_is_well_then_there_is_no_finding() -> None:
    """A launch on one host or on three gives none."""
    assert (Case().findings(), Case(1).findings()) == ([], [])


def test_evaluate_when_called_then_the_facts_are_not_changed() -> None:
    """Judging is pure."""
    case = Case().spoil(2, "madengine", path=None, error="x")
    before = copy.deepcopy((case.plan, case.probes, case.confirms))
    case.findings()
    assert (case.plan, case.probes, case.confirms) == before


def test_evaluate_when_much_is_wrong_then_findings_come_by_check_then_by_rank() -> None:
    """All findings of all hosts are reported together, in an order that does not depend on who answered first."""
    case = Case().spoil(3, "mad_dir", exists=False).spoil(1, "mad_dir", exists=False)
    case.spoil(2, "madengine", path=None, error="x").spoil(3, "state", free_inodes=0).set(forks=2)
    case.probes = dict(reversed(case.probes.items()))
    assert [(found["check"], found["host"]) for found in case.findings()] == [
        ("forks", None),
        ("madengine", "node2"),
        ("mad_dir", "node1"),
        ("mad_dir", "node3"),
        ("free_space", "node3"),
    ]


def test_evaluate_when_forks_are_too_few_then_it_says_where_to_set_them() -> None:
    """Ranks that start in waves would wait for each other in vain."""
    assert Case().set(forks=2).findings() == [
        finding(
            "forks",
            "error",
            None,
            message="Ansible works on 2 hosts at a time, so the 3 ranks would start one after the other.",
            seen="forks = 2",
            expected="forks >= 3",
            fix="Leave out --forks of the launcher, or give at least 3. In Ansible: ansible-playbook --forks 3, "
            "or ANSIBLE_FORKS=3, or Forks = 3 in the AWX job template.",
        ),
    ]


def test_evaluate_when_interfaces_are_left_out_or_given_by_patterns_then_they_are_not_wrong() -> None:
    """'' leaves the choice to the libraries; prefixes and exclusions are the user's to choose."""
    for nccl, gloo in (("", ""), ("ens,ib", "auto"), ("^docker", ""), ("=eth0", "eth0,ens14np0")):
        assert Case().set(nccl_interface=nccl, gloo_interface=gloo).findings() == []


@pytest.mark.parametrize(
    ("ahead_s", "expected"),
    [
        ({2: 4.0}, []),
        ({2: 9.0}, [("warning", "node2", "9 s apart")]),
        ({2: -90.0}, [("error", "node2", "90 s apart")]),
        ({1: 90.0}, [("error", "node1", "90 s apart")]),
        ({1: 10.0, 2: -10.0}, [("warning", "node2", "20 s apart"), ("warning", "node3", "10 s apart")]),
    ],
    ids=["near", "warned", "far", "rank-0-is-the-odd-one", "all-differ"],
)
def test_evaluate_when_clocks_differ_then_the_odd_ones_are_named(
    ahead_s: dict[int, float], expected: list[tuple[str, str, str]]
) -> None:
    """What is known of a clock are bounds; a difference counts only beyond what the exchange itself took."""
    case = Case()
    for number, seconds in ahead_s.items():
        for answer in (case.probes, case.confirms):
            clock = answer[f"node{number}"]["facts"]["clock"]
            clock.update(start_s=clock["start_s"] + seconds, end_s=clock["end_s"] + seconds)
    found = case.findings()
    # The bounds are 0.1 s wide on each side, and the difference is the least that fits.
    assert [(one["severity"], one["host"], one["seen"]) for one in found] == expected
    assert {one["check"] for one in found} <= {"clock"}


def test_evaluate_when_a_clock_was_only_seen_through_a_slow_connection_then_it_is_not_accused() -> None:
    """An exchange that took 30 s tells little of the clock."""
    case = Case(2)
    case.confirms = {}
    case.spoil(2, controller_clock={"before_s": 980.0, "after_s": 1010.0}, clock={"start_s": 985.0, "end_s": 986.0})
    assert case.findings() == []
