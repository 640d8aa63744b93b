# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `lock` and `leftovers`: which runs keep a launch from a host, and which may stay beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.findings_case import Case, finding

LEFT = {
    "run_id": "other",
    "node_rank": 1,
    "pid": 98,
    "state": "running",
    "age_s": 7.0,
    "same_user": True,
    "owner": "u",
    "model": "tag",
}
STOP = (
    "python launcher.py stop other --nodes 10.9.0.2 "
    "(in Ansible: ansible-playbook -i INVENTORY madlaunch.multinode.stop -e run_id=other)"
)
LIVING = ("leftovers", "error", "node2", "Run other of tag still runs there and may hold the GPUs.")
BESIDE = ("leftovers", "note", "node2", "Run other of tag runs there, too.")


def lock(key: str, **values: object) -> dict[str, Any]:
    """Return what a host tells of a lock that another run has."""
    held = {
        "key": key,
        "run_id": "other",
        "node_rank": 1,
        "attempt": 0,
        "owner": "ada@login",
        "model": "tag",
        "pid": 99,
    }
    return {**held, "alive": True, **values}


def case(*locks: dict[str, Any], leftovers: tuple[dict[str, Any], ...] = (LEFT,), **plan: object) -> Case:
    """Return a launch on whose second host another run has these locks."""
    spoiled = Case().spoil(2, locks=list(locks), leftovers=list(leftovers))
    spoiled.plan.update({"run_id": "mine", "container_env": {}, **plan})
    return spoiled


def test_evaluate_when_another_run_has_port_and_gpus_then_it_is_named_once() -> None:
    """With its id, who started it, and the command that ends it; it is not called a leftover as well."""
    assert case(lock("gpus"), lock("port-4000")).findings() == [
        finding(
            "lock",
            "error",
            "node2",
            message="Run other of tag of ada@login has the master port 4000 and the GPUs.",
            seen="run other, rank 1, process 99, started by ada@login",
            expected="a host that no other run uses",
            fix=f"{STOP}; or run beside it: --share-hosts (variable share_hosts)",
        )
    ]


def test_evaluate_when_only_the_port_is_taken_then_another_port_is_offered() -> None:
    """The GPUs are shared out already."""
    (found,) = case(
        lock("port-4000"), lock("gpu-3"), container_env={"HIP_VISIBLE_DEVICES": "4"}, leftovers=()
    ).findings()
    assert found["message"] == "Run other of tag of ada@login has the master port 4000."
    assert found["fix"] == (
        f"{STOP}; or use another port: --master-port 4001 (variable master_port); "
        "or run beside it: --share-hosts (variable share_hosts)"
    )


@pytest.mark.parametrize(
    ("spoiled", "expected"),
    [
        (case(lock("gpu-3")), [("lock", "error", "node2", "Run other of tag of ada@login has the GPUs.")]),
        (case(lock("port-4001"), lock("gpu-3"), container_env={"HIP_VISIBLE_DEVICES": "4"}), [BESIDE]),
        (case(lock("port-4000", alive=False)), [LIVING]),
        (case(lock("port-4000", alive=False), leftovers=()), []),
        (case(lock("port-4000"), share_hosts=True), [BESIDE]),
        (case(lock("port-4000"), skip_checks=["lock"]), [LIVING]),
        (case(lock("port-4000"), skip_checks=["lock", "leftovers"]), []),
        (case(), [LIVING]),
        (case(share_hosts=True), [BESIDE]),
        (case(lock("gpus", run_id="mine"), lock("port-4000", run_id="mine"), leftovers=()), []),
    ],
    ids=[
        "one-gpu-of-all",
        "nothing-in-common",
        "stale-but-alive",
        "stale",
        "shared",
        "not-checked",
        "neither-checked",
        "without-locks",
        "without-locks-shared",
        "own",
    ],
)
def test_evaluate_when_another_run_is_there_then_it_is_said_once(
    spoiled: Case, expected: list[tuple[str, str, str | None, str]]
) -> None:
    """In the way: an error of `lock`. Alive without locks: an error of `leftovers`. Beside it by right: a note."""
    assert spoiled.brief() == expected


@pytest.mark.parametrize(
    ("left", "message", "fix"),
    [
        (
            {},
            "Run other of tag still runs there and may hold the GPUs.",
            f"{STOP}; or run beside it: --skip-check leftovers",
        ),
        (
            {"same_user": False, "owner": "bob", "model": ""},
            "Run other of bob still runs there and may hold the GPUs.",
            "Ask bob to stop it (process 98); or run beside it: --skip-check leftovers",
        ),
    ],
    ids=["own", "of-another-user"],
)
def test_evaluate_when_a_run_was_left_then_who_can_end_it_is_said(left: dict[str, Any], message: str, fix: str) -> None:
    """The whole finding: what was seen, what was expected and what mends it."""
    words = {"message": message, "fix": fix, "seen": "process 98, rank 1, for 7 s"}
    expected = finding("leftovers", "error", "node2", expected="no process of another run", **words)
    assert case(leftovers=({**LEFT, **left},)).findings() == [expected]


def test_evaluate_when_a_run_is_on_several_hosts_then_the_command_names_them_with_their_logins() -> None:
    """It works on a control node that has no record of that run; a host on which the run is not is left alone."""
    spoiled = Case().spoil(2, locks=[lock("gpus")]).spoil(3, leftovers=[LEFT])
    spoiled.plan.update(run_id="mine", container_env={})
    spoiled.set_host(2, user="ada", port=2222, key="/home/ada/my key", node_state_dir="/scratch/m")
    spoiled.set_host(3, address="fd00::3", port="22")
    command = (
        "python launcher.py stop other --nodes 'ada@10.9.0.2:2222,[fd00::3]' "
        "--ssh-key '/home/ada/my key' --node-state-dir /scratch/m (in Ansible: "
    )
    assert [(one["check"], one["fix"][: len(command)]) for one in spoiled.findings()] == [
        ("lock", command),
        ("leftovers", command),
    ]
