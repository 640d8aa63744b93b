# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks at the run goes away: the terminal is closed, or the program that reads the output has ended."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.going import check_clean
from tests.faults.models import TICKS, enough
from tests.integration.launching import LAUNCHER, environment
from tests.integration.models import add_model
from tests.integration.running import running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.faults.conftest import MakeNodes

pytestmark = [pytest.mark.cluster, pytest.mark.namespace, pytest.mark.slow]

# A terminal with the launcher in it, which is closed once a line of rank 1 is on it; prints the exit code.
_TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if not pid:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""
while b"tick 2 on node 1" not in seen:
    seen += os.read(terminal, 65536)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
# The same with a pipe, of which nothing is read after that line; says so.
_PIPE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
while b"tick 2 on node 1" not in process.stdout.readline():
    pass
process.stdout.close()
print("closed", flush=True)
print(process.wait())
"""


def _recorded(state: Path) -> dict[str, Any]:
    """Return what the launcher kept of its only run."""
    (record,) = state.rglob("run.json")
    outcome: dict[str, Any] = json.loads(record.read_text())["outcome"]
    return outcome


def _words(cluster: Cluster, program: str) -> list[str]:
    add_model(cluster, "ticks", TICKS)
    launch = [*LAUNCHER, *cluster.launcher_args(), "--model", "ticks", "--grace-s", "2"]
    return [sys.executable, "-c", program, *launch]


@pytest.mark.fault("terminal-closed")
def test_terminal_that_is_closed_then_the_run_is_stopped(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """The kernel sends SIGHUP, and nothing can be written any more."""
    cluster = make_nodes(2)
    with running(cluster, _words(cluster, _TERMINAL), environment(tmp_path)) as started:
        started.end(90)
    assert [line.text for line in started.lines] == ["130"], started.errors()
    outcome = _recorded(tmp_path)
    ranks = [(rank["state"], rank["clean"]) for rank in outcome["ranks"]]
    assert (outcome["exit_code"], ranks) == (130, [("stopped", True)] * 2)
    check_clean(cluster)


@pytest.mark.fault("output-closed")
def test_output_that_nobody_reads_any_more_then_the_run_goes_on(make_nodes: MakeNodes, tmp_path: Path) -> None:
    """A `tee` that died is no reason to end a training of days."""
    cluster = make_nodes(2)
    with running(cluster, _words(cluster, _PIPE), environment(tmp_path)) as started:
        started.wait_for(lambda line: line == "closed")
        enough(cluster)
        started.end(90)
    assert [line.text for line in started.lines] == ["closed", "0"], started.errors()
    outcome = _recorded(tmp_path)
    assert [(rank["state"], rank["clean"]) for rank in outcome["ranks"]] == [("ok", True)] * 2
    check_clean(cluster)
