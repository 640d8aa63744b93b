# SPDX-License-Identifier: GPL-3.0-or-later
"""The same input renders byte-identical files: nothing in them comes from the order of a set, or from the clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.integration.dry_running import dry_run

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = re.compile(r"mad-\d{8}-\d{6}-[0-9a-f]{4}")
WORDS = (
    *("--model", "demo_train", "--nodes", "node[01-03]", "--nproc-per-node", "8"),
    *("--env", "B=2", "--env", "A=1", "--env", "C=3", "--skip-check", "clock", "--skip-check", "gpus"),
)


def test_dry_run_when_repeated_in_another_process_then_every_file_is_the_same(tmp_path: Path) -> None:
    """Scripts, contexts, settings and inventory of all ranks, under two seeds of hashes; only the run id differs."""
    shown = [dry_run(tmp_path, *WORDS, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert [done.returncode for done in shown] == [0, 0]
    first, second = (RUN_ID.sub("RUN_ID", done.stdout) for done in shown)
    assert first == second
    # For three ranks, each for both versions of madengine.
    assert first.count("exec madengine run ") == 6
