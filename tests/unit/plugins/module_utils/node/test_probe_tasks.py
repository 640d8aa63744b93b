# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes run side by side: each ends well, fails or hangs for itself."""

from __future__ import annotations

import os
import select
import time

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.probe_tasks import (
    Outcome,
    Task,
    run_all,
    run_one,
)

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def _fails() -> object:
    message = "a 'quoted'\nreason"
    raise PermissionError(13, message)


def test_run_all_when_probes_fail_in_every_way_then_none_disturbs_another() -> None:
    """A value, an exception, a crash and a hang are told apart, and the hang costs no more than its own limit."""
    began = time.monotonic()
    outcomes = run_all(
        {
            "large": Task(lambda: "x" * 300_000, 5),
            "fails": Task(_fails, 5),
            "crashes": Task(lambda: os._exit(3), 5),
            "hangs": Task(lambda: time.sleep(60), 0.4),
            "not_json": Task(lambda: {1, 2}, 5),
        },
    )
    assert time.monotonic() - began < 3
    assert outcomes == {
        "large": Outcome("x" * 300_000, None),
        "fails": Outcome(None, "PermissionError: [Errno 13] a 'quoted'\nreason"),
        "crashes": Outcome(None, "the probe ended without an answer"),
        "hangs": Outcome(None, "does not answer within 0.4 s"),
        "not_json": Outcome(None, "the probe ended without an answer"),
    }


def test_run_one_when_it_left_a_child_behind_then_the_child_is_killed_with_it() -> None:
    """Programs that a hanging probe started do not stay."""
    reader, writer = os.pipe()

    def probe() -> object:
        if os.fork() == 0:
            time.sleep(60)
        os.close(writer)
        time.sleep(60)
        return None

    assert run_one(probe, 0.3) == Outcome(None, "does not answer within 0.3 s")
    os.close(writer)
    ended, _, _ = select.select([reader], [], [], 5)
    assert ended == [reader]
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_run_one_when_the_probe_prints_then_nothing_reaches_the_answer_of_the_program(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Standard output carries the framed answer of the node program and nothing else."""
    assert run_one(lambda: os.system("echo noise; echo noise >&2"), 5) == Outcome(0, None)  # noqa: S605
    assert capfd.readouterr() == ("", "")
