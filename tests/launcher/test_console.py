# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and programs see, compared whole."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import groupby
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
✓ Preflight passed (madengine 2.1.0; 8 processes per node)

→ Executing on 192.168.1.1 (rank 0): madengine run --tags tiny
→ Executing on 192.168.1.2 (rank 1): madengine run --tags tiny

[192.168.1.1:0] [bold]Starting[/] training...
[192.168.1.2:1]\x20
✓ 192.168.1.1 completed successfully
✓ 192.168.1.2 completed successfully

Training Results:
rank   host          state   ended with    runtime   performance
───────────────────────────────────────────────────────────────────
   0   192.168.1.1   ok      exit code 0   4.5s      12.5 samples/s
       verdict rests on: exit code 0 and a result row
   1   192.168.1.2   ok      exit code 0   4.5s      12.5 samples/s
       verdict rests on: exit code 0 and a result row
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
    first = FirstFailure("192.168.1.2", 1, "killed")
    reason = "192.168.1.2 (rank 1): killed"
    outcome = RunOutcome("failed", 1, first, (stopped, failed), "/logs/perf.csv", reason=reason)
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
rank | host        | state   | ended with    | runtime | performance
-----+-------------+---------+---------------+---------+------------
   0 | 192.168.1.1 | stopped | exit code 130 | -       | -
   1 | 192.168.1.2 | failed  | signal 9      | 4.5s    | -
       verdict rests on: killed
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
        Finding("mad_dir", "error", "b", "Task failed: it can be reached over ssh: no route", "", "", "no MAD"),
        Finding("interface", "error", "b", "down", "up", "ip link set ens14np0 up", "ens14np0 is down"),
    )
    report = PreflightDone(ok=False, findings=findings, skipped=(), hosts=())
    end = RunOutcome("preflight", 3, reason="preflight found 3 errors")
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
    seen:     no route

! gpus (warning)
  all hosts: the hosts have unequal GPUs
    seen:     4, 8
    expected: equal counts

✗ Preflight failed: 3 errors. Nothing was started.
"""
    )


def test_text_when_no_rank_has_a_value_ends_with_the_reason() -> None:
    """Without a first failure the last line says why; a file without a value is not announced."""
    ranks = tuple(replace(rank, performance=()) for rank in GOOD)
    out, _ = _show(end=RunOutcome("failed", 1, None, ranks, "/logs/perf.csv", reason="no performance value"))
    assert "perf.csv" not in out
    assert out.endswith("2/2\n✗ Multi-node training failed: no performance value (exit code 1)\n")


def test_text_when_the_terminal_is_wide_has_the_reasons_in_the_table() -> None:
    """From 120 columns on the reason is a column."""
    out, _ = _show(end=RunOutcome("ok", 0, None, GOOD), style=Style(color=False, unicode=True, width=120))
    assert ("verdict rests on\n" in out, out.count("12.5 samples/s   exit code 0 and a result row\n")) == (True, 2)


def test_text_when_a_cell_is_folded_keeps_the_reasons_below_their_ranks() -> None:
    """A host name longer than the table goes on below; the reason comes after it."""
    ranks = (replace(GOOD[0], host="n" * 100, reason="first"), replace(GOOD[1], reason="second"))
    out, _ = _show(end=RunOutcome("ok", 0, None, ranks), style=Style(color=False, unicode=True, width=80))
    told = [line.split()[0][:4] for line in out.splitlines() if line.startswith(" ")]
    assert [(word, len(list(same)) > 1) for word, same in groupby(told)] == [
        ("0", False), ("nnnn", True), ("verd", False), ("1", False), ("verd", False)
    ]  # fmt: skip


def test_text_when_many_hosts_have_the_same_finding_says_it_once() -> None:
    """Texts that differ by the name of their host alone are one finding; the lines of unreachable hosts are few."""
    names = [f"node{i:02}" for i in range(1, 25)]
    same = tuple(Finding("gpus", "error", name, "0", "8", f"ssh {name} rocm-smi", "no GPU") for name in names)
    other = Finding("gpus", "error", "x", "1", "8", "", "one GPU")
    lost = (HostUnreachable(name, "refused") for name in names)
    report = PreflightDone(ok=False, findings=(*same, other), skipped=(), hosts=())
    out, _ = _show(*lost, report, end=RunOutcome("preflight", 3))
    assert (
        out
        == "".join(f"✗ {name} is not reachable: refused\n" for name in names[:8])
        + """\
✗ and 16 more

✗ gpus (error)
  node[01-24] (24 nodes): no GPU
    seen:     0
    expected: 8
    fix:      ssh HOST rocm-smi
  x: one GPU
    seen:     1
    expected: 8

✗ Preflight failed: 25 errors. Nothing was started.
"""
    )


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        pytest.param(
            TaskFailed("a", "Plan", "launch_plan", "timeout_s is -1.", "timeout_s", "Give more."),
            "error: --timeout: is -1.\nnext: Give more.\n",
            id="setting",
        ),
        pytest.param(
            TaskFailed("a", "Plan", "launch_plan", "run_id is bad.", "run_id", "Use letters."),
            "error: run_id is bad.\nnext: Use letters.\n",
            id="other variable",
        ),
        pytest.param(
            TaskFailed("a", "Render", "job_render", "runner 'x;' of a is bad."),
            "error: --runner: 'x;' of a is bad.\nnext: correct --runner; launcher.py run --help explains it\n",
            id="message alone",
        ),
        pytest.param(None, "error: why\n", id="no host"),
    ],
)
def test_text_when_the_plan_is_refused_looks_like_other_usage_errors(refused: TaskFailed | None, expected: str) -> None:
    """On standard error: the flag, what is wrong, the next step."""
    events = (refused,) if refused else ()
    assert _show(*events, end=RunOutcome("refused", 2, reason="why")) == ("", expected)


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
