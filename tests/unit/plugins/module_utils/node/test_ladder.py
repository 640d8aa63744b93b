# SPDX-License-Identifier: GPL-3.0-or-later
"""The stop ladder, with processes and a clock that are made up."""

from __future__ import annotations

import signal

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import ladder, processes
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.processes import Process


class World:
    """Processes that die of certain signals, a clock, and a record of who got what when."""

    def __init__(self, dies_of: dict[int, set[int]]) -> None:
        self.alive = {pid: Process(pid, 1) for pid in dies_of}
        self.dies_of = dies_of
        self.now_s = 100.0
        self.sent: list[tuple[float, int, str]] = []

    def find(self) -> list[Process]:
        """Return who is left."""
        return list(self.alive.values())

    def send(self, process: Process, signum: int) -> bool:
        """Note a signal and let the process die of it, if it does."""
        self.sent.append((round(self.now_s - 100, 2), process.pid, signal.Signals(signum).name))
        if signum in self.dies_of[process.pid]:
            del self.alive[process.pid]
        return True

    def descend(self, steps: list[tuple[int, float]]) -> list[Process]:
        """Go down a ladder to its end; return who is left."""
        descent = ladder.Ladder(steps, self.find, lambda: self.now_s)
        while (wait_s := descent.advance()) is not None:
            self.now_s += wait_s
        return descent.left


@pytest.fixture
def make_world(monkeypatch: pytest.MonkeyPatch) -> type[World]:
    """Make worlds whose processes get the signals of the ladder."""

    class Connected(World):
        def __init__(self, dies_of: dict[int, set[int]]) -> None:
            super().__init__(dies_of)
            monkeypatch.setattr(processes, "send", self.send)

    return Connected


def test_ladder_stops_at_the_first_signal_that_helps(make_world: type[World]) -> None:
    """A job that ends on SIGINT never sees SIGTERM."""
    world = make_world({1: {signal.SIGINT}, 2: {signal.SIGINT}})
    assert world.descend(ladder.full(15)) == []
    assert world.sent == [(0.0, 1, "SIGINT"), (0.0, 2, "SIGINT")]


def test_ladder_gives_every_step_its_grace(make_world: type[World]) -> None:
    """SIGINT at once, SIGTERM after one grace, SIGKILL after two; each goes to those that are left."""
    world = make_world({1: {signal.SIGINT}, 2: {signal.SIGTERM}, 3: {signal.SIGKILL}})
    assert world.descend(ladder.full(15)) == []
    assert world.sent == [
        (0.0, 1, "SIGINT"),
        (0.0, 2, "SIGINT"),
        (0.0, 3, "SIGINT"),
        (15.0, 2, "SIGTERM"),
        (15.0, 3, "SIGTERM"),
        (30.0, 3, "SIGKILL"),
    ]


def test_ladder_sends_sigint_once_and_sigterm_to_newcomers(make_world: type[World]) -> None:
    """What madengine starts to clean up after SIGINT must not get a second one; after that nobody is spared."""
    world = make_world({1: set(), 2: set()})
    newcomer = world.alive.pop(2)
    descent = ladder.Ladder(ladder.full(1), world.find, lambda: world.now_s)
    descent.advance()
    world.alive[2] = newcomer
    world.now_s += 0.5
    descent.advance()
    world.now_s += 0.5
    descent.advance()
    assert world.sent == [(0.0, 1, "SIGINT"), (1.0, 1, "SIGTERM"), (1.0, 2, "SIGTERM")]


def test_ladder_gives_up_on_what_cannot_be_killed(make_world: type[World]) -> None:
    """A process that waits in the kernel is named, not waited for without end."""
    world = make_world({1: set()})
    assert world.descend(ladder.leftovers(15)) == [Process(1, 1)]
    assert world.now_s == pytest.approx(100 + ladder.LEFTOVER_GRACE_S + ladder.KILL_WAIT_S, abs=0.2)


def test_ladder_believes_that_nobody_is_left_only_at_the_second_look(make_world: type[World]) -> None:
    """A process that was born during the first look is found by the second."""
    world = make_world({1: {signal.SIGINT}})
    late = world.alive.pop(1)
    descent = ladder.Ladder(ladder.full(15), world.find, lambda: world.now_s)
    assert descent.advance() is not None
    world.alive[1] = late
    assert descent.advance() is not None
    assert world.sent == [(0.0, 1, "SIGINT")]


def test_ladder_wakes_a_process_that_was_stopped(make_world: type[World]) -> None:
    """A stopped process acts on a signal only when it is continued."""
    world = make_world({1: {signal.SIGCONT}})
    world.alive[1].state = "T"
    world.descend(ladder.full(15))
    assert [name for _, _, name in world.sent] == ["SIGINT", "SIGCONT"]
