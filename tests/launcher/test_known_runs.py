# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs for runs that were started before: from words and the record to a request, from events to an outcome."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from madlaunch import cli, records, runs
from madlaunch.answers import Plan, RunOutcome
from madlaunch.answers_known import RankStatus, RunOverview, RunStatus, StopFacts
from madlaunch.console_known import come_back, run_status, runs_table, stopped
from madlaunch.console_style import Style
from madlaunch.errors import UsageError
from madlaunch.events import PlayEnded, Translator
from madlaunch.events_known import HostStopped, RankRuns, RunChosen, RunsListed, RunStopped
from madlaunch.outcome import Progress, conclude, fold
from madlaunch.settings_verbs import VERBS, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from madlaunch.events import Event
    from madlaunch.job import Launch

PLAIN = Style(color=False, unicode=False)
RECORD = runs.RunRecord("mad-1", "0.1.0", 1.0, "run", "tiny", "/logs/mad-1")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of its own, and an environment without settings."""
    for name in [name for name in os.environ if name.startswith(("MADLAUNCH_", "SLURM_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MADLAUNCH_STATE_DIR", str(tmp_path))
    return tmp_path


def keep(state: Path, *found: runs.RunRecord) -> None:
    """Write records."""
    for record in found:
        directory = state / "runs" / record.run_id
        directory.mkdir(parents=True)
        runs.write_record(directory, record)


def prepared(*words: str) -> Launch:
    """Return what the words make."""
    launches: list[Launch] = []

    def engine(launch: Launch) -> int:
        launches.append(launch)
        return 0

    assert cli.main(words, engine=engine) == 0
    (launch,) = launches
    return launch


# --- words and record -----------------------------------------------------------------------------------------------


def test_settings_of_when_asked_for_a_verb_then_has_only_what_means_something_to_it() -> None:
    """Each verb's own flags beside those that find nodes and log in to them."""
    common = {row.name for row in settings_of("list")}
    own = {verb: {row.name for row in settings_of(verb)} - common for verb in VERBS if verb not in {"run", "render"}}
    assert {verb: own[verb] for verb in ("status", "logs", "stop", "collect", "list")} == {
        "status": {"run_id", "env_file"},
        "logs": {"run_id", "follow", "rank", "tail", "env_file"},
        "stop": {"run_id", "grace_s"},
        "collect": {"run_id", "log_dir", "env_file"},
        "list": set(),
    }
    assert {"model", "master_port", "skip_check"} & own["attach"] == set()
    assert "detach" not in own["check"]
    assert {"detach", "model"} <= {row.name for row in settings_of("run")}


def test_verb_when_the_run_has_a_record_then_goes_to_its_nodes_by_its_login(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record beats the environment, which names the nodes of whatever comes next."""
    launch = prepared(
        "--model", "m", "--nodes", "u@a:2222,[2001:db8::1]", "--ssh-user", "ann", "--node-state-dir", "/n"
    )
    keep(state, replace(RECORD, given=launch.job.given))
    monkeypatch.setenv("MADLAUNCH_NODES", "elsewhere")
    monkeypatch.setenv("MADLAUNCH_SSH_USER", "other")
    known = prepared("stop", "mad", "--grace-s", "3")
    assert known.request.inventory["all"]["hosts"] == launch.request.inventory["all"]["hosts"]
    group = known.request.inventory["all"]["vars"]
    assert (group["ansible_user"], group["node_state_dir"]) == ("ann", "/n")
    assert known.request.playbook == "stop.yml"
    assert known.request.extra_vars == {"run_id": "mad-1", "grace_s": 3}


def test_given_when_files_were_named_then_is_found_from_anywhere(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths become absolute ones; the password is not among what is kept."""
    (tmp_path / "hosts").write_text("a\nb\n")
    (tmp_path / "pass").write_text("secret-word\n")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    launch = prepared("--model", "m", "--hostfile", "hosts", "--ssh-password-file", "pass")
    assert launch.job.given == {"nodes": ("a,b",), "ssh_password_file": (str(tmp_path / "pass"),)}
    assert launch.request.record_dir.parent == state / "runs"


def test_verb_when_nodes_are_named_then_the_record_is_not_asked_for_them(state: Path) -> None:
    """Only where its files lie on this machine."""
    keep(state, replace(RECORD, given={"nodes": ("a",), "ssh_user": ("ann",)}))
    known = prepared("attach", "mad-1", "--nodes", "z")
    assert list(known.request.inventory["all"]["hosts"]) == ["z"]
    assert "ansible_user" not in known.request.inventory["all"]["vars"]
    assert known.request.extra_vars == {"run_id": "mad-1", "log_dir": "/logs/mad-1"}


def test_verb_when_this_machine_has_no_record_then_the_nodes_are_asked(state: Path) -> None:
    """What begins the id goes to them as it is, and files go below the state directory."""
    known = prepared("collect", "mad-9", "--nodes", "z")
    assert known.request.extra_vars == {"run_id": "mad-9", "runs_dir": str(state / "runs")}
    assert (known.request.run_id, known.request.record_dir) == ("", state / "runs")


def test_logs_when_given_its_flags_then_they_reach_the_playbook(state: Path) -> None:
    """All lines of all ranks without them."""
    keep(state, replace(RECORD, given={"nodes": ("a",)}))
    flags = ("-f", "--rank", "1", "--tail", "5")
    assert prepared("logs", *flags).request.extra_vars == {"run_id": "mad-1", "follow": True, "rank": 1, "tail": 5}
    assert prepared("logs").request.extra_vars == {"run_id": "mad-1", "follow": False}


def test_logs_when_the_env_file_of_the_run_is_gone_then_says_that_nothing_is_masked(state: Path) -> None:
    """The lines are still worth showing; a file that was named now has to be there."""
    keep(state, replace(RECORD, given={"nodes": ("a",), "env_file": ("/nonexistent/env",)}))
    (note,) = prepared("logs").job.notes
    assert note.startswith("the values of the run's --env-file cannot be masked: ")
    assert cli.main(["logs", "--env-file", "/nonexistent/env"], engine=lambda _: 0) == 2


@pytest.mark.parametrize("words", [["status"], ["stop", "x"], ["logs", "-f"]], ids=" ".join)
def test_verb_when_no_run_is_known_and_no_node_named_then_is_refused(
    state: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """With the ways to name one."""
    assert not (state / "runs").exists()
    assert cli.main(words, engine=lambda _: 0) == 2
    assert "name its nodes with -i or --nodes" in capsys.readouterr().err


def test_find_when_given_a_beginning_then_is_one_run_or_refused(state: Path) -> None:
    """The newest without one; a whole id is never ambiguous."""
    keep(
        state, RECORD, replace(RECORD, run_id="mad-12", started_at_s=3.0), replace(RECORD, run_id="x", started_at_s=2.0)
    )
    (state / "runs" / "damaged").mkdir()
    (state / "runs" / "damaged" / "run.json").write_text("{")
    found = {wanted: records.find(wanted, os.environ) for wanted in ("", "x", "mad-1", "mad-12", "y")}
    ids = {wanted: record.run_id if record else None for wanted, record in found.items()}
    assert ids == {"": "mad-12", "x": "x", "mad-1": "mad-1", "mad-12": "mad-12", "y": None}
    with pytest.raises(UsageError, match="'mad' is the beginning of 2 runs: mad-12, mad-1"):
        records.find("mad", os.environ)


def test_list_when_no_node_is_named_then_shows_the_runs_of_this_machine(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No playbook is run for that; a run without an end in its record is open."""
    hosts: dict[str, object] = {"hosts": {"a": {}, "b": {}}}
    keep(state, RECORD, replace(RECORD, run_id="mad-2", started_at_s=9.0, plan=hosts, ended_at_s=10.0,
                                outcome=RunOutcome("failed", 1)))  # fmt: skip
    assert cli.main(["list"], engine=lambda _: 1) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [(row[0], *row[3:]) for row in rows] == [("mad-2", "failed", "2", "tiny"), ("mad-1", "open", "-", "tiny")]


def test_hold_when_another_process_has_the_run_then_says_so(tmp_path: Path) -> None:
    """The lock belongs to the open file, so a second opening in the same process is refused too."""
    assert [runs.hold(tmp_path), runs.hold(tmp_path)] == [True, False]


# --- events and outcome ---------------------------------------------------------------------------------------------

PLAN = {"run_id": "mad-1", "model": "tiny", "hosts": {"a": {"node_rank": 0, "address": "192.0.2.1"}}}
RANK = {"host": "a", "node_rank": 0, "state": "running", "runtime_s": 7, "last_line": "tick", "last_output_age_s": 1.5}
STATUS = {"run_id": "mad-1", "model": "tiny", "owner": "ann", "nnodes": 2, "state": "running", "ranks": [RANK],
          "missing_ranks": [1], "unreachable": {"b": "timed out"}}  # fmt: skip
KNOWN = RunStatus(
    *("mad-1", "tiny", "ann", 2, "running"),
    ranks=(RankStatus("a", 0, "running", runtime_s=7.0, last_line="tick", last_output_age_s=1.5),),
    missing_ranks=(1,),
    unreachable={"b": "timed out"},
)


def _result(answer: dict[str, Any], *, failed: bool = False) -> dict[str, Any]:
    name = "runner_on_failed" if failed else "runner_on_ok"
    return {"event": name, "event_data": {"host": "a", "res": {"madlaunch": answer}}}


def test_translator_when_a_run_is_chosen_then_knows_the_labels_of_its_lines() -> None:
    """So that the lines of a run that was started before are lines."""
    translator = Translator()
    (chosen,) = translator.translate(_result({"kind": "chosen", "purpose": "logs", "plan": PLAN, "status": STATUS}))
    assert isinstance(chosen, RunChosen)
    assert (chosen.purpose, chosen.plan.run_id, chosen.status) == ("logs", "mad-1", KNOWN)
    (lines,) = translator.translate({"event": "verbose", "stdout": "[a:0] hello"})
    assert [line.text for line in lines.lines] == ["hello"]  # type: ignore[union-attr] # fails if it is another event


FACTS = {
    "run_id": "mad-1",
    "found": True,
    "clean": ["a"],
    "left": {"b": ["process 7: python"]},
    "unverified": {"c": "x"},
}
STOPPED = StopFacts("mad-1", found=True, clean=("a",), left={"b": ("process 7: python",)}, unverified={"c": "x"})


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        ({"kind": "stopped", **FACTS}, RunStopped(STOPPED)),
        (
            {"kind": "stop", "host": "a", "found": True, "clean": True, "processes_stopped": 3},
            HostStopped("a", found=True, clean=True, processes_stopped=3),
        ),
        ({"kind": "running", "host": "a", "node_rank": 1}, RankRuns("a", 1)),
        (
            {"kind": "runs", "runs": [{"run_id": "r", "nnodes": 2, "started_at_s": 1}], "unreachable": {"b": "x"}},
            RunsListed((RunOverview("r", "", 2, 1.0, ""),), {"b": "x"}),
        ),
    ],
    ids=["stopped", "stop", "running", "runs"],
)
def test_translator_when_the_collection_tells_of_known_runs_then_so_do_the_events(
    answer: dict[str, Any], event: Event
) -> None:
    """Also when the task failed, as a stop that left something does."""
    assert Translator().translate(_result(answer, failed=True)) == [event]


CHOSEN = RunChosen("status", Plan.from_mapping(PLAN), replace(KNOWN, unreachable={}))
GOOD = PlayEnded(0, canceled=False)


@pytest.mark.parametrize(
    ("events", "state", "code"),
    [
        ([CHOSEN, GOOD], "ok", 0),
        ([replace(CHOSEN, status=KNOWN), GOOD], "partly", 3),
        ([RunsListed((), {}), GOOD], "ok", 0),
        ([RunsListed((), {"b": "x"}), GOOD], "partly", 3),
        ([CHOSEN, PlayEnded(2, canceled=False)], "broken", 5),
        ([RunStopped(replace(STOPPED, left={}, unverified={})), GOOD], "clean", 0),
        ([RunStopped(replace(STOPPED, left={})), PlayEnded(2, canceled=False)], "unverified", 3),
        ([RunStopped(STOPPED), PlayEnded(2, canceled=False)], "left", 1),
    ],
    ids=["status", "silent host", "list", "list, silent host", "broken", "clean", "unverified", "left"],
)
def test_conclude_when_a_verb_has_looked_or_stopped_then_the_code_says_how_it_went(
    events: list[Event], state: str, code: int
) -> None:
    """Well only when every host told, or was seen to be clean."""
    progress = Progress()
    for event in events:
        progress = fold(progress, event)
    outcome = conclude(progress)
    assert (outcome.state, outcome.exit_code) == (state, code)


@pytest.mark.parametrize(("purpose", "ranks"), [("logs", []), ("attach", ["lost"])], ids=["logs", "attach"])
def test_conclude_when_a_verb_is_interrupted_then_nothing_is_said_of_ranks_that_it_only_looked_at(
    purpose: str, ranks: list[str]
) -> None:
    """Attach answers for the run, and has not seen its end."""
    progress = replace(fold(Progress(), replace(CHOSEN, purpose=purpose)), interrupted=True)
    outcome = conclude(progress)
    assert (outcome.exit_code, [rank.state for rank in outcome.ranks]) == (130, ranks)


# --- text -----------------------------------------------------------------------------------------------------------


def test_run_status_when_shown_then_has_a_row_per_rank_and_what_is_not_known() -> None:
    """Runtime, last line and its age; the rank that nobody told of; the host that did not answer."""
    title, head, _rule, row, missing, silent = run_status(KNOWN, PLAIN)
    assert title == "Run mad-1 (tiny): running"
    assert head.split("|")[-1].strip() == "last line"
    assert [cell.strip() for cell in row.split("|")] == ["0", "a", "running", "-", "7.0s", "1.5s ago", "tick"]
    assert missing == "[warn] No node told of these ranks: 1"
    assert silent == "[FAIL] b gave no answer: timed out"


def test_stopped_when_something_is_left_then_names_it_and_the_way_back() -> None:
    """Where, what, and the command to try again."""
    assert stopped(STOPPED, PLAIN) == [
        "[FAIL] b: left: process 7: python",
        "[FAIL] c gave no answer: x",
        "  again, when it can be mended: launcher.py stop mad-1",
        "[FAIL] Run mad-1: clean on 1/3 hosts",
    ]


def test_runs_table_when_there_is_no_run_then_says_so() -> None:
    """A line, not an empty table."""
    assert runs_table((), PLAIN) == ["No runs."]


def test_come_back_when_asked_for_some_verbs_then_has_their_commands() -> None:
    """As they can be typed."""
    assert come_back("mad-1", "logs", "stop") == [
        "  launcher.py logs mad-1 -f  # watch it",
        "  launcher.py stop mad-1     # end it",
    ]
