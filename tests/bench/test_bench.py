# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest benchmark, from the command line to the report."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.namespaces import can_unshare
from tests.cluster.options import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

# The hosts are this machine: a run of another test would be found on them as a leftover. The shell, as the first
# process of its own PID namespace, waits for orphans.
_ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", '"$@"; exit $?', "sh"]


@pytest.mark.cluster
@pytest.mark.slow
def test_bench_when_run_on_two_hosts_then_the_report_has_the_figures(tmp_path: Path) -> None:
    """Ours and clush have launched, each figure was measured, and the tables say the same."""
    report = tmp_path / "bench.json"
    words = ["--only", "launch", "--hosts", "2", "--repeat", "1", "--json", str(report)]
    argv = [*(_ALONE if can_unshare() else []), sys.executable, "-m", "bench", *words]
    done = subprocess.run(argv, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())
    (launch,) = found["results"]["launch"]
    for tool in ("ours", "clush"):
        figures = launch["tools"][tool]
        assert {name: len(figures[name]) for name in ("seconds", "skew_s", "cpu_s")} == {
            "seconds": 1,
            "skew_s": 1,
            "cpu_s": 1,
        }
        assert 0 < figures["skew_s"][0] < figures["seconds"][0] < 60
        assert 0 < figures["cpu_s"][0] < 60
        assert figures["peak_pss_bytes"] > 2_000_000
        # The launcher has more than one process per host, and so has clush.
        assert figures["peak_processes"] > 2
    assert launch["hosts"] == 2
    bar = next(bar for bar in found["bars"] if bar["what"] == "launch, 2 hosts")
    assert bar["figure"] == launch["tools"]["ours"]["seconds"][0] - launch["tools"]["clush"]["seconds"][0]
    assert {"cpu_model", "cores", "memory_bytes", "kernel", "python", "openssh", "ansible_core", "commit", "date"} <= (
        found["machine"].keys()
    )
    assert "launch, 2 hosts" in done.stdout
