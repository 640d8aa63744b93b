# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit that leaves out hosts, with real playbooks on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from madlaunch.errors import UsageError
from madlaunch.events import Event, Note
from madlaunch.run import Play
from tests.launcher import small_collection as small

if TYPE_CHECKING:
    from pathlib import Path


def test_play_when_the_limit_matches_nothing_says_it_once(tmp_path: Path) -> None:
    """One usage error; what Ansible says of it is only for those who want all of its output."""
    root = small.make(tmp_path / "clone", small.task(answer={"kind": "probe"}))
    told: list[Event] = []
    play = Play(small.request(tmp_path, limit="nope"), root).events()
    with pytest.raises(UsageError, match="matches the limit 'nope'"):
        # list.extend keeps what came before the error.
        told.extend(play)
    notes = [event for event in told if isinstance(event, Note)]
    assert any("Could not match" in note.text for note in notes)
    assert {note.level for note in notes} == {"output"}


def test_play_when_the_limit_matches_in_part_keeps_the_warning(tmp_path: Path) -> None:
    """A host that was mistyped beside one that was not is still told."""
    root = small.make(tmp_path / "clone", small.task(answer={"kind": "probe"}))
    events = list(Play(small.request(tmp_path, limit="a,nope"), root).events())
    (note,) = [event for event in events if isinstance(event, Note) and event.level == "warning"]
    assert "Could not match supplied host pattern" in note.text


def test_play_when_the_inventory_cannot_be_read_says_so_and_not_that_it_is_empty(tmp_path: Path) -> None:
    """What Ansible says of the reason stays on the screen; the error names the file."""
    root = small.make(tmp_path / "clone", small.task(answer={"kind": "probe"}))
    broken = tmp_path / "my cluster.yml"
    broken.write_text("all:\n  hosts: [\n")
    told: list[Event] = []
    play = Play(small.request(tmp_path, limit="a", inventory={}, inventory_sources=(str(broken),)), root).events()
    with pytest.raises(UsageError) as caught:
        told.extend(play)
    assert caught.value.problem == f"the inventory {broken} could not be read; the lines above say why"
    assert f"ansible-inventory -i '{broken}' --graph" in caught.value.next_step
    assert any("YAML parsing failed" in event.text for event in told if isinstance(event, Note))
