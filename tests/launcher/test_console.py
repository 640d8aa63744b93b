# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and programs see, compared whole."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from madlaunch.answers import (
    Finding,
    FirstFailure,
    Performance,
    Plan,
    PlannedHost,
    PreparedHost,
    RankOutcome,
    RunOutcome,
)
from madlaunch.console import Mouth, Voice
from madlaunch.console_json import JsonReporter
from madlaunch.console_report import runtime
from madlaunch.console_style import Style
from madlaunch.console_text import TextReporter
from madlaunch.events import (
    Event,
    HostReachable,
    HostUnreachable,
    Note,
    OutputLine,
    OutputLines,
    PlanMade,
    PreflightDone,
    RankEnded,
    RankRendered,
    RankStarted,
    RenderedScript,
    TaskFailed,
)
from madlaunch.request import SettingRow
from tests.launcher import small_collection as small

if TYPE_CHECKING:
    from madlaunch.job import Job

HOSTS = (PlannedHost("192.168.1.1", 0, ""), PlannedHost("192.168.1.2", 1, ""))
PLANNED = PlanMade(Plan("run-1", "tiny", "192.168.0.1", 4000, 3600, 15, "/logs", HOSTS, {"run_id": "run-1"}))
READY = PreflightDone(
    ok=True,
    findings=(),
    skipped=("clock",),
    hosts=tuple(PreparedHost(host.name, host.node_rank, "2.1.0", 8) for host in HOSTS),
)
GOOD = tuple(
    RankOutcome(
        host.name, host.node_rank, "ok", 0, None, 100.0, 104.5, "exit code 0 and a result row",
        (Performance("tiny", "12.5", "samples/s"),), log_path=f"/logs/rank{host.node_rank}.log", clean=True,
    )
    for host in HOSTS
)  # fmt: skip
RUNNING: tuple[Event, ...] = (
    PLANNED,
    HostReachable("192.168.1.1"),
    HostReachable("192.168.1.2"),
    READY,
    RankStarted("192.168.1.1", 0, "madengine run --tags tiny", "/r"),
    RankStarted("192.168.1.2", 1, "madengine run --tags tiny", "/r"),
    OutputLines((OutputLine("192.168.1.1", 0, "[bold]Starting[/] training..."), OutputLine("192.168.1.2", 1, ""))),
)


def _show(*events: Event, end: RunOutcome, job: Job | None = None, style: Style | None = None) -> tuple[str, str]:
    """Return what a text session wrote to its two streams."""
    out, err = io.StringIO(), io.StringIO()
    voice = Voice(Mouth(out), Mouth(err), style or Style(color=False, unicode=True))
    reporter = TextReporter(voice, job or small.job(Path("/logs")), small.request(Path("/record"), "192.168.1.1"))
    reporter.begin()
    for event in events:
        reporter.handle(event)
    reporter.end(end)
    return out.getvalue(), err.getvalue()


def test_text_when_all_goes_well_follows_the_example_of_the_readme() -> None:
    """The whole screen of a good run."""
    outcome = RunOutcome("ok", 0, None, GOOD, "/logs/perf.csv", "/logs/summary.json")
    out, err = _show(*RUNNING, *(RankEnded(rank) for rank in GOOD), end=outcome)
    assert err == ""
    assert (
        out
        == """\
Starting multi-node training on 2 nodes
Model: tiny
Master: 192.168.0.1:4000
Shared data: /nfs/data
Nodes: 192.168.1.1, 192.168.1.2
Run id: run-1

Checking connectivity to all nodes...
✓ 192.168.1.1 is reachable
✓ 192.168.1.2 is reachable
✓ All nodes are reachable
! Checks left out on request: clock
✓ Preflight passed (madengine 2.1.0; 8 process(es) per node)

→ Executing on 192.168.1.1 (rank 0): madengine run --tags tiny
→ Executing on 192.168.1.2 (rank 1): madengine run --tags tiny
[192.168.1.1:0] [bold]Starting[/] training...
[192.168.1.2:1]\x20
✓ 192.168.1.1 completed successfully
✓ 192.168.1.2 completed successfully

Training Results:
rank   host          state   ended with    runtime   performance      verdict rests on
──────────────────────────────────────────────────────────────────────────────────────────────────
   0   192.168.1.1   ok      exit code 0   4.5s      12.5 samples/s   exit code 0 and a result row
   1   192.168.1.2   ok      exit code 0   4.5s      12.5 samples/s   exit code 0 and a result row
✓ clean on 2/2 hosts
Run id: run-1
Logs: /logs
Performance: /logs/perf.csv
Summary: /logs/summary.json
✓ Successful nodes: 2/2
✓ Multi-node training completed successfully!
"""
    )


def test_text_when_a_rank_failed_names_it_first_in_plain_ascii() -> None:
    """The first failure with its last lines comes before the table; no character outside ASCII."""
    failed = replace(
        GOOD[1], state="failed", exit_code=None, signal=9, reason="killed", performance=(), last_lines=("a", "b")
    )
    stopped = replace(GOOD[0], state="stopped", exit_code=130, reason="", performance=(), ended_at_s=None, clean=None)
    outcome = RunOutcome("failed", 1, FirstFailure("192.168.1.2", 1, "killed"), (stopped, failed))
    out, _ = _show(RankEnded(failed), RankEnded(stopped), end=outcome, style=Style(color=False, unicode=False))
    assert out.isascii()
    assert (
        out
        == """\
[FAIL] 192.168.1.2 (rank 1) failed, signal 9: killed
[warn] 192.168.1.1 (rank 0) stopped, exit code 130

Training Results:
[FAIL] First failure: 192.168.1.2 (rank 1): killed
  its last lines:
    a
    b
  its whole log: /logs/rank1.log
rank | host        | state   | ended with    | runtime | performance | verdict rests on
-----+-------------+---------+---------------+---------+-------------+-----------------
   0 | 192.168.1.1 | stopped | exit code 130 | -       | -           | -
   1 | 192.168.1.2 | failed  | signal 9      | 4.5s    | -           | killed
[FAIL] clean on 1/2 hosts
  192.168.1.1 (rank 0): could not be looked at
  later: launcher.py stop run-1
Run id: run-1
Logs: /logs
[FAIL] Successful nodes: 0/2
[FAIL] Multi-node training failed (exit code 1)
"""
    )


def test_text_when_the_preflight_failed_reports_all_findings_by_check() -> None:
    """Errors before warnings, those of one check together, each with seen, expected and fix."""
    findings = (
        Finding("gpus", "warning", "", "4, 8", "equal counts", "", "the hosts have unequal GPUs"),
        Finding("interface", "error", "a", "eth0", "ens14np0", "ip link\nip addr", "no interface ens14np0"),
        Finding("mad_dir", "error", "b", "", "", "", "no MAD"),
        Finding("interface", "error", "b", "down", "up", "ip link set ens14np0 up", "ens14np0 is down"),
    )
    report = PreflightDone(ok=False, findings=findings, skipped=(), hosts=())
    end = RunOutcome("preflight", 3, reason="preflight found 3 error(s)")
    out, _ = _show(HostUnreachable("c", "refused\nby peer"), report, end=end)
    assert (
        out
        == """\
✗ c is not reachable: refused
    by peer

✗ interface (error)
  a: no interface ens14np0
    seen:     eth0
    expected: ens14np0
    fix:      ip link
              ip addr
  b: ens14np0 is down
    seen:     down
    expected: up
    fix:      ip link set ens14np0 up

✗ mad_dir (error)
  b: no MAD

! gpus (warning)
  all hosts: the hosts have unequal GPUs
    seen:     4, 8
    expected: equal counts

✗ Preflight failed: 3 error(s). Nothing was started.
"""
    )


def test_text_when_dry_run_shows_settings_inventory_and_scripts() -> None:
    """Each value with its source, the inventory without secrets, each possible script of each rank."""
    rows = (SettingRow("timeout", "7200", "environment", "Run"), SettingRow("limit", "", "default", "Nodes"))
    job = small.job(Path("/logs"), mode="render", settings=rows)
    both = (RenderedScript("1", "one\n", ()), RenderedScript("2", "two [x]\n", (("context.json", "{}\n"),)))
    rendered = RankRendered("a", 0, both, (), ("<GPU count of a>",))
    refused = RankRendered("b", 1, (RenderedScript("2", "two", ()),), (("1", "v1 cannot"),), ())
    out, _ = _show(PLANNED, rendered, refused, end=RunOutcome("ok", 0), job=job)
    assert (
        out
        == """\
Dry run: no host is contacted, nothing is started.

Settings: Run
  timeout = 7200  (environment)

Settings: Nodes
  limit = (not set)  (default)

Inventory:
  all:
    hosts:
      192.168.1.1:
        ansible_connection: local

=== rank 0 on a, madengine v1: run.sh
one

=== rank 0 on a, madengine v2: run.sh
two [x]
=== rank 0 on a, madengine v2: context.json
{}
=== rank 0 on a: only the host can tell: <GPU count of a>

=== rank 1 on b, madengine v2: run.sh
two
=== rank 1 on b, madengine v1: cannot run: v1 cannot
"""
    )


def test_text_when_there_are_notes_says_them_on_standard_error() -> None:
    """Notes, warnings of Ansible and failed tasks leave standard output alone; other text of Ansible is not shown."""
    out, err = _show(
        Note("warning", "old\x1b[2J Python"),
        Note("output", "TASK [x]"),
        TaskFailed("a", "Start", "x", "disk full"),
        end=RunOutcome("broken", 5, reason="why"),
        job=small.job(Path("/l"), notes=("first note",)),
    )
    assert err == "· first note\n! old Python\n✗ task 'Start' failed on a: disk full\n"
    assert out == "✗ The launcher could not follow the run to its end: why (exit code 5)\n"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(None, "-", id="unknown"),
        pytest.param(4.54, "4.5s", id="seconds"),
        pytest.param(61.0, "0:01:01", id="minutes"),
        pytest.param(86399.6, "24:00:00", id="a day"),
    ],
)
def test_runtime_when_shown_is_short(seconds: float | None, expected: str) -> None:
    """Seconds below a minute, else hours, minutes and seconds."""
    assert runtime(seconds) == expected


def test_json_when_a_run_is_shown_writes_one_object_a_line_and_the_outcome_last() -> None:
    """Every line is a JSON object of schema 1; nothing else is on standard output."""
    out, err = io.StringIO(), io.StringIO()
    reporter = JsonReporter(
        Voice(Mouth(out), Mouth(err), Style(color=False, unicode=True)), small.job(Path("/l")), lambda: 7.0
    )
    reporter.begin()
    for event in (*RUNNING[4:], Note("warning", "w"), RankEnded(GOOD[0])):
        reporter.handle(event)
    reporter.note("warning", "stopping")
    reporter.end(RunOutcome("ok", 0, None, GOOD, "/l/perf.csv"))
    objects = [json.loads(line) for line in out.getvalue().split("\n")[:-1]]
    head = {"schema": 1, "time_s": 7.0}
    assert objects[:6] == [
        {**head, "event": "begin", "run_id": "run-1", "mode": "run", "model": "tiny", "log_dir": "/l", "settings": []},
        {
            **head,
            "event": "start",
            "host": "192.168.1.1",
            "node_rank": 0,
            "command": "madengine run --tags tiny",
            "rank_dir": "/r",
        },
        {
            **head,
            "event": "start",
            "host": "192.168.1.2",
            "node_rank": 1,
            "command": "madengine run --tags tiny",
            "rank_dir": "/r",
        },
        {**head, "event": "line", "host": "192.168.1.1", "node_rank": 0, "text": "[bold]Starting[/] training..."},
        {**head, "event": "line", "host": "192.168.1.2", "node_rank": 1, "text": ""},
        {**head, "event": "note", "level": "warning", "text": "w"},
    ]
    assert objects[6]["event"] == "rank"
    assert (objects[7]["event"], objects[7]["exit_code"], objects[7]["perf_csv"]) == ("outcome", 0, "/l/perf.csv")
    assert objects[7]["ranks"][0] == {key: objects[6][key] for key in objects[7]["ranks"][0]}
    assert len(objects) == 8
    assert err.getvalue() == "warning: stopping\n"


@pytest.mark.parametrize("output", ["text", "json"])
def test_voice_when_a_line_holds_a_secret_masks_it(capsys: pytest.CaptureFixture[str], output: str) -> None:
    """A secret of six characters or more is masked, also in the spelling of JSON."""
    voice = Voice.standard(['se"cret', "1"], {})
    reporter = (
        JsonReporter(voice, small.job(Path("/l")))
        if output == "json"
        else TextReporter(voice, small.job(Path("/l")), small.request(Path("/r")))
    )
    reporter.handle(OutputLines((OutputLine("a", 0, 'token se"cret 1'),)))
    shown = capsys.readouterr().out
    assert "token ******** 1" in shown
    assert "cret" not in shown
