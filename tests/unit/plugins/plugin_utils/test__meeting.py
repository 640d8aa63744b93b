# SPDX-License-Identifier: GPL-3.0-or-later
"""How the workers of the preflight wait for each other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._gang import ControlDir
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._meeting import Meeting

if TYPE_CHECKING:
    from pathlib import Path

TOLD = {"listener": {"port": 4000}, "nonce_written": True}


def unheard() -> None:
    """Fail: those who have all come need not wait."""
    message = "nobody had to wait"
    raise AssertionError(message)


def gang_in(place: Path) -> ControlDir:
    """Return the directory of a run."""
    gang = ControlDir(place)
    gang.create()
    return gang


def test_meeting_when_all_have_come_then_each_knows_what_it_needs(tmp_path: Path) -> None:
    """The others hear what rank 0 told, rank 0 hears how many of them will come."""
    gang = gang_in(tmp_path)
    Meeting(gang).come(0, TOLD)
    Meeting(gang).come(1, {"listener": None})
    Meeting(gang).come(2, None)
    assert (Meeting(gang).master(), Meeting(gang).peers(3, unheard, 7.5)) == (TOLD, 1)


def test_meeting_when_rank_0_gave_no_facts_then_the_others_do_not_wait(tmp_path: Path) -> None:
    """They have nothing to confirm then."""
    gang = gang_in(tmp_path)
    Meeting(gang).come(0, None)
    assert Meeting(gang).master() == {}


def test_meeting_when_rank_0_comes_later_then_the_others_wait(tmp_path: Path) -> None:
    """Whoever comes first asks again until it is there."""
    gang = gang_in(tmp_path)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            threading.Thread(target=Meeting(gang).come, args=(0, TOLD)).run()

    assert Meeting(gang, sleep=sleep).master() == TOLD
    assert waits == sorted(waits)
    assert len(waits) == 3


def test_meeting_when_a_worker_died_then_nobody_waits_for_ever(tmp_path: Path) -> None:
    """After the longest that a host may take, the others go on without it."""
    gang = gang_in(tmp_path)
    Meeting(gang).come(0, TOLD)
    now_s = [0.0]

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    assert Meeting(gang, clock=lambda: now_s[0], sleep=sleep).peers(2, lambda: None, 7.5) == 0
    assert 290 < now_s[0] < 310


def test_peers_when_a_host_is_slow_then_the_one_who_waits_is_called_every_so_often(tmp_path: Path) -> None:
    """Not before the first time is up, and a call that takes long does not bring the next one closer."""
    gang = gang_in(tmp_path)
    now_s = [0.0]
    called_at_s: list[float] = []

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    def meanwhile() -> None:
        called_at_s.append(now_s[0])
        now_s[0] += 3
        if len(called_at_s) == 3:
            gang.count("probed")

    Meeting(gang, clock=lambda: now_s[0], sleep=sleep).peers(1, meanwhile, 5)
    assert called_at_s == pytest.approx([5, 13, 21], abs=0.8)


def test_meeting_when_the_disk_is_full_then_rank_0_is_heard_all_the_same(tmp_path: Path) -> None:
    """What it tells is short enough for the directory itself."""
    gang = gang_in(tmp_path)
    gang._write_once = _no_space  # type: ignore[assignment,method-assign] # as on a full disk
    Meeting(gang).come(0, TOLD)
    assert Meeting(gang).master() == TOLD


def _no_space(_name: str, _text: str) -> None:
    raise OSError(28, "No space left on device")
