# SPDX-License-Identifier: GPL-3.0-or-later
"""With --fold, a line that several ranks print is shown once; no line is missing on the screen or in the logs."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.going import check_clean
from tests.integration.models import add_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import MakeNodes
    from tests.faults.doors import Door
    from tests.faults.going import Going

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

SAME_AND_OTHER = """
for n in $(seq 1 10); do
  echo "step $n of 10"
  echo "step $n took $((RANDOM)) on node $NODE_RANK"
  sleep 0.5
done
echo "performance: 1 runs"
"""
_FOLDED = re.compile(r"\[(\S+):([0-9,-]+)\] (.*)")


def _shown(going: Going) -> list[tuple[str, str]]:
    """Return (ranks, text) of every line on the screen."""
    if going.json_output:
        events = [json.loads(line.text) for line in going.started.lines]
        return [(str(event.get("node_ranks", event.get("node_rank"))), event["text"]) for event in events
                if event["event"] in {"line", "folded_line"}]  # fmt: skip
    found = [_FOLDED.fullmatch(line.text) for line in going.started.lines]
    return [(match[2], match[3]) for match in found if match]


def _expanded(ranks: str) -> list[int]:
    parts = [part.split("-") for part in ranks.split(",")]
    return [number for part in parts for number in range(int(part[0]), int(part[-1]) + 1)]


@pytest.mark.fault("same-lines")
def test_lines_of_all_ranks_when_folded_then_are_shown_once_and_kept_in_every_log(
    make_nodes: MakeNodes, tmp_path: Path, door: Door
) -> None:
    """Unfolded again, the screen has for every rank exactly the lines of its log, in their order."""
    cluster = make_nodes(3)
    add_model(cluster, "same", SAME_AND_OTHER)
    with door.launch(cluster, tmp_path, model="same", fold=True) as going:
        ended = going.end()
    assert (ended.code, ended.states, ended.clean) == (0, ["ok"] * 3, [True] * 3)
    shown = _shown(going)
    for rank in range(3):
        mine = [text for ranks, text in shown if rank in _expanded(ranks)]
        assert mine == going.log_on_node(rank).decode().splitlines()
        assert (going.log_dir / f"rank{rank}.log").read_bytes() == going.log_on_node(rank)
    steps = Counter(ranks for ranks, text in shown if re.fullmatch(r"step \d+ of 10", text))
    # The ranks do not start in the same instant; most lines still come within a second of each other.
    assert steps["0-2"] >= 5, steps
    check_clean(cluster)
