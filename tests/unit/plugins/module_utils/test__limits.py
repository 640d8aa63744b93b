# SPDX-License-Identifier: GPL-3.0-or-later
"""A control node that is too small for so many hosts says so before anything is started."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils._limits import Machine, check
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError

ROOMY = Machine(open_files=1024, processes=4000, memory_bytes=8_000_000_000, ports=28232)


@pytest.mark.parametrize("machine", [pytest.param(ROOMY, id="ordinary"), pytest.param(Machine(), id="unlimited")])
def test_check_when_there_is_enough_then_nothing_is_said(machine: Machine) -> None:
    """A hundred hosts from an ordinary machine."""
    check(100, machine)


@pytest.mark.parametrize(
    ("machine", "message", "hint"),
    [
        pytest.param(
            ROOMY._replace(open_files=1024),
            "300 hosts at once need about 1560 open files in one process; this machine has 1024 for this login.",
            "ulimit -n 1560",
            id="open_files",
        ),
        pytest.param(
            ROOMY._replace(open_files=None, processes=900),
            "300 hosts at once need about 1240 more processes; this machine has 900 for this login.",
            "pids.max",
            id="processes",
        ),
        pytest.param(
            ROOMY._replace(open_files=None, memory_bytes=4_000_000_000),
            "300 hosts at once need about 5250 MB of memory; this machine has 4000 for this login.",
            "Free some",
            id="memory",
        ),
        pytest.param(
            ROOMY._replace(open_files=None, ports=500),
            "300 hosts at once need about 600 local ports to connect from; this machine has 500 for this login.",
            "ip_local_port_range",
            id="ports",
        ),
    ],
)
def test_check_when_something_is_short_then_the_need_and_the_cure_are_named(
    machine: Machine, message: str, hint: str
) -> None:
    """The number that is needed, the number that is there, and how to raise it."""
    with pytest.raises(PlanError) as caught:
        check(300, machine)
    assert (caught.value.option, caught.value.message) == ("forks", message)
    assert hint in caught.value.hint
