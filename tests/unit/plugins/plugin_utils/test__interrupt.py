# SPDX-License-Identifier: GPL-3.0-or-later
"""A poll that waits for its host is given up when the rank is to be stopped."""

from __future__ import annotations

import subprocess
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _interrupt
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._follow import HostLostError, PollInterruptedError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._interrupt import Interruption, interruptible

SSH = SimpleNamespace(transport="ssh", has_pipelining=True, become=None)


def sleeping(entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Be a call of a host that runs a real program, as ssh is one."""
    del arguments
    done = subprocess.run(["sleep", "30"], check=False)
    if done.returncode:
        message = f"{entry}: ended by {done.returncode}"
        raise HostLostError(message)
    return {}


def test_poll_when_it_must_end_then_its_program_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that says nothing for half a minute does not keep a stop waiting."""
    monkeypatch.setattr(_interrupt, "_LOOK_EVERY_S", 0.05)
    poll = interruptible(SSH, sleeping)
    assert poll is not None
    must_end = threading.Event()
    threading.Timer(0.2, must_end.set).start()
    began_s = time.monotonic()
    with pytest.raises(PollInterruptedError):
        poll({}, must_end.is_set)
    assert 0.2 <= time.monotonic() - began_s < 10


def test_poll_when_the_host_is_lost_then_that_is_told() -> None:
    """An end that was not ours is no interruption."""

    def lost(entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
        del entry, arguments
        message = "no route"
        raise HostLostError(message)

    poll = interruptible(SSH, lost)
    assert poll is not None
    with pytest.raises(HostLostError, match="no route"):
        poll({}, lambda: False)


def echo(entry: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Be a host that answers at once."""
    del entry
    return arguments


def test_poll_when_the_host_answers_then_nothing_was_ended() -> None:
    """The answer comes through, and no thread is left."""
    poll = interruptible(SSH, echo)
    assert poll is not None
    assert poll({"offset": 3}, lambda: True) == {"offset": 3, "holds_line": True}
    assert not [thread for thread in threading.enumerate() if thread.name == "interruption"]


def test_poll_when_sudo_is_in_between_then_the_node_is_not_told_that_its_line_stands() -> None:
    """Nobody would hang up on it when this side is killed."""
    poll = interruptible(SimpleNamespace(transport="ssh", has_pipelining=True, become=object()), echo)
    assert poll is not None
    assert poll({}, lambda: False) == {"holds_line": False}


@pytest.mark.parametrize(
    "connection",
    [
        pytest.param(SimpleNamespace(transport="local", has_pipelining=True, become=None), id="no_ssh"),
        pytest.param(SimpleNamespace(transport="ssh", has_pipelining=False, become=None), id="no_pipelining"),
    ],
)
def test_poll_when_it_cannot_be_given_up_safely_then_there_is_none(connection: SimpleNamespace) -> None:
    """Those hosts are asked more often instead."""
    assert interruptible(connection, sleeping) is None


def test_interruption_when_programs_of_others_run_then_they_go_on() -> None:
    """Only what this very process has started meanwhile is ended: neither an earlier child nor a child of a child."""
    earlier = subprocess.Popen(["sleep", "30"])
    time.sleep(0.05)  # starts are told apart by hundredths of a second
    argv = ["sh", "-c", "sleep 30 & echo $!; wait"]
    with (
        Interruption(lambda: True, 0.1) as interruption,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as shell,
    ):
        assert shell.stdout is not None
        grandchild = int(shell.stdout.readline())
        shell.wait(10)
    assert (interruption.happened, earlier.poll()) == (True, None)
    earlier.kill()
    earlier.wait()
    with subprocess.Popen(["kill", str(grandchild)]) as kill:
        assert kill.wait(10) == 0, "the grandchild was ended too"
