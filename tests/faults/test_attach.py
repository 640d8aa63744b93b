# SPDX-License-Identifier: GPL-3.0-or-later
"""Who follows a run is killed again and again; who comes after sees every line, each once."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.doors import LAUNCHER_DOOR
from tests.faults.going import check_clean
from tests.faults.measuring import printed
from tests.faults.models import TICKS, enough
from tests.integration.launching import LAUNCHER, REPOSITORY, environment
from tests.integration.models import add_model
from tests.integration.running import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import MakeNodes

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

KILLS = 20
LONGEST_S = 1.5


@pytest.mark.fault("attach-after-kills")
def test_attach_after_20_kills_of_the_launcher_then_shows_every_line_once(
    make_nodes: MakeNodes, tmp_path: Path
) -> None:
    """Killed at random moments, every second one after its first line, the launcher first; the run goes on."""
    cluster = make_nodes(2)
    add_model(cluster, "ticks", TICKS)
    chance = random.Random(20)  # noqa: S311 - repeatable on purpose
    with LAUNCHER_DOOR.launch(cluster, tmp_path, model="ticks", lease_s=60) as going:
        going.wait_up()
        going.started.process.kill()
        going.started.end()
    attach = [*LAUNCHER, "attach", going.run_id, "--output", "json"]
    following = 0
    for number in range(KILLS - 1):
        with running(cluster, attach, environment(tmp_path), cwd=REPOSITORY) as again:
            if number % 2:
                again.wait_for(lambda line: '"line"' in line)
            time.sleep(chance.uniform(0.0, LONGEST_S))
            again.process.kill()
            again.end()
        following += any('"line"' in line.text for line in again.lines)
    with running(cluster, attach, environment(tmp_path), cwd=REPOSITORY) as last:
        last.wait_for(lambda line: '"line"' in line)
        enough(cluster)
        code = last.end(60)
        events = [json.loads(line.text) for line in last.lines]
    assert (code, events[-1]["state"]) == (0, "ok"), last.lines[-1]
    for rank in (0, 1):
        shown = [event["text"] for event in events if (event["event"], event.get("node_rank")) == ("line", rank)]
        assert shown == going.log_on_node(rank).decode().splitlines()
        counted = [line for line in shown if line.startswith("tick ")]
        assert counted == [f"tick {number} on node {rank}" for number in range(1, len(counted) + 1)]
    check_clean(cluster)
    printed(f"attach after {KILLS} kills, {following} of them while it showed lines: every line once")
