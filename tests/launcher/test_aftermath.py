# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stop saw, in the outcome of a run whose playbook died."""

from __future__ import annotations

from madlaunch.aftermath import stopped
from madlaunch.answers import RankOutcome, RunOutcome
from madlaunch.answers_known import StopFacts


def test_stopped_when_hosts_differ_then_each_rank_has_what_its_host_told() -> None:
    """Clean, left, not looked at; a rank whose end was seen keeps what it rests on."""
    ranks = [RankOutcome(host, rank, "lost", reason="not seen") for rank, host in enumerate(["a", "b", "c", "d"])]
    ranks.append(RankOutcome("e", 4, "ok", reason="madengine says so"))
    left = {"b": ("process 7 (python3)",)}
    facts = StopFacts("r", found=True, clean=("a", "e"), left=left, unverified={"c": "no route"})
    outcome = stopped(RunOutcome("broken", 5, ranks=tuple(ranks), reason="died"), facts)
    assert [(rank.clean, rank.left) for rank in outcome.ranks] == [
        (True, ()),
        (False, left["b"]),
        (None, ()),
        (None, ()),
        (True, ()),
    ]
    followed = "started, but nobody followed it to its end; then it was stopped"
    assert [rank.reason for rank in outcome.ranks] == [followed, *["not seen"] * 3, "madengine says so"]
