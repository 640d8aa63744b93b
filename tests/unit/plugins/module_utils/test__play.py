# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays that cannot carry a launch."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _play
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError
from ansible_collections.madlaunch.multinode.plugins.module_utils._play import Play

HOSTS = ("a", "b", "c")


@pytest.mark.parametrize("strategy", ["linear", "ansible.builtin.linear", "debug", "mitogen_linear"])
def test_play_when_all_hosts_go_in_step_then_nothing_is_said(strategy: str) -> None:
    """The hosts are all there, and end one task before the next."""
    play = Play(HOSTS, HOSTS, HOSTS, strategy)
    _play.check_in_step(play)
    _play.check_complete(play)


@pytest.mark.parametrize("strategy", ["free", "ansible.builtin.free", "host_pinned"])
def test_play_when_hosts_go_by_themselves_then_the_strategy_is_refused(strategy: str) -> None:
    """What runs once would run on each host, and each would plan a run of its own."""
    with pytest.raises(PlanError, match=f"strategy {strategy},") as caught:
        _play.check_in_step(Play(HOSTS, HOSTS, HOSTS, strategy))
    assert caught.value.option == "strategy"


def test_play_when_in_batches_then_serial_is_refused() -> None:
    """The first batch would wait for ranks that come only when it has ended."""
    with pytest.raises(PlanError, match=r"\(serial\): 1 of 3 are in this one") as caught:
        _play.check_in_step(Play(HOSTS, HOSTS, ("a",), "linear"))
    assert caught.value.option == "serial"


def test_play_when_hosts_failed_before_then_they_are_named() -> None:
    """Ansible goes on without them, a launch does not; a batch that is smaller for that alone is no serial."""
    play = Play(HOSTS, ("a",), ("a",), "linear")
    _play.check_in_step(play)
    with pytest.raises(PlanError, match="failed before in this playbook: b, c") as caught:
        _play.check_complete(play)
    assert caught.value.option == "target"


def test_play_when_many_failed_before_then_eight_are_named() -> None:
    """The message stays one that can be read."""
    hosts = [f"n{number}" for number in range(12)]
    with pytest.raises(PlanError, match=r"n1, n2, n3, n4, n5, n6, n7, n8 and 3 more\."):
        _play.check_complete(Play(hosts, hosts[:1], hosts[:1], "linear"))


def test_settings_when_one_of_the_run_differs_then_it_is_named_without_its_value() -> None:
    """Only that of one host could be taken; a value may be a secret."""
    settings: dict[str, dict[str, object]] = {
        "a": {"model": "m", "container_env_secret": {"T": "hidden"}},
        "b": {"model": "m", "container_env_secret": None},
    }
    with pytest.raises(PlanError) as caught:
        _play.check_alike(settings)
    message = "container_env_secret is not the same for a and b, but it is of the run as a whole."
    assert (caught.value.option, caught.value.message) == ("container_env_secret", message)
    assert "hidden" not in caught.value.hint


def test_settings_when_alike_or_of_one_host_then_nothing_is_said() -> None:
    """The usual case."""
    _play.check_alike({"a": {"model": "m"}, "b": {"model": "m"}})
    _play.check_alike({"a": {"model": "m"}})
