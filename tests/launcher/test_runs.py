# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run on the control node."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from madlaunch import runs
from madlaunch.answers import FirstFailure, Performance, RankOutcome, RunOutcome

RECORD = runs.RunRecord(
    run_id="run-1",
    launcher_version="0.1.0",
    started_at_s=1.5,
    mode="run",
    model="tiny",
    log_dir="/logs",
    inventory={"all": {"hosts": {"a": {"node_rank": 0}}}},
    inventory_sources=("/etc/inv",),
    settings=({"name": "model", "value": "tiny", "source": "command line", "group": "Run"},),
    plan={"run_id": "run-1"},
    ended_at_s=2.5,
    exit_code=1,
    outcome=RunOutcome(
        "failed",
        1,
        FirstFailure("a", 0, "signal 9"),
        (
            RankOutcome(
                "a", 0, "failed", None, 9, 1.0, 2.0, "signal 9", (Performance("m", "1", "x"),), ("é",), ("b",), "/l"
            ),
        ),
        "/logs/perf.csv",
        "/logs/summary.json",
    ),
)


def test_record_when_written_reads_back_equal_and_is_private(tmp_path: Path) -> None:
    """Nothing is lost, the file is 0600, the directory 0700, and no draft is left."""
    directory = tmp_path / "runs" / "run-1"
    runs.create_directory(directory)
    runs.write_record(directory, RECORD)
    runs.write_record(directory, RECORD)
    assert runs.read_record(directory) == RECORD
    assert [path.name for path in directory.iterdir()] == ["run.json"]
    assert stat.S_IMODE((directory / "run.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_record_when_the_run_goes_on_has_no_outcome(tmp_path: Path) -> None:
    """The record written at the start reads back too."""
    started = runs.RunRecord("run-1", "0.1.0", 1.5, "run", "tiny", "/logs")
    runs.write_record(tmp_path, started)
    assert runs.read_record(tmp_path) == started


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, "cannot be read", id="absent"),
        pytest.param("{", "cannot be read", id="cut off"),
        pytest.param("[]", "not of schema 1", id="list"),
        pytest.param('{"schema": 2}', "not of schema 1", id="later schema"),
        pytest.param('{"schema": 1, "run_id": "x"}', "damaged", id="parts missing"),
    ],
)
def test_read_record_when_it_is_no_record_says_what_is_wrong(tmp_path: Path, text: str | None, expected: str) -> None:
    """Each kind of damage is named, with the file."""
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(runs.RecordError, match=expected) as caught:
        runs.read_record(tmp_path)
    assert str(tmp_path / "run.json") in str(caught.value)


def test_create_directory_when_the_run_id_is_taken_refuses(tmp_path: Path) -> None:
    """The record of an earlier run is not overwritten."""
    runs.create_directory(tmp_path)
    runs.write_record(tmp_path, RECORD)
    with pytest.raises(runs.RecordError, match="is taken"):
        runs.create_directory(tmp_path)


@pytest.mark.parametrize(
    ("number", "code", "advice"),
    [
        pytest.param(errno.EACCES, 2, "choose another with --log-dir", id="permission"),
        pytest.param(errno.EROFS, 2, "choose another with --log-dir", id="read-only"),
        pytest.param(errno.ENOSPC, 5, "free space there, or choose another with --log-dir", id="full"),
    ],
)
def test_make_log_directory_when_refused_tells_the_user_from_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int, advice: str
) -> None:
    """A wrong path is a usage error; a full disk is not, and only then is space to be freed."""

    def refuse(**_: object) -> tuple[int, str]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(runs.RecordError, match=os.strerror(number)) as caught:
        runs.make_log_directory(tmp_path)
    assert (caught.value.exit_code, caught.value.next_step) == (code, advice)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a directory in which nobody can make files")
def test_create_directory_when_the_place_takes_none_is_a_usage_error() -> None:
    """Not even root can make a directory in /proc."""
    with pytest.raises(runs.RecordError, match="/proc/nope") as caught:
        runs.create_directory(Path("/proc/nope"))
    assert caught.value.exit_code == 2
    assert "MADLAUNCH_STATE_DIR" in caught.value.next_step


def test_write_record_when_the_directory_is_gone_says_what_to_do(tmp_path: Path) -> None:
    """A record that cannot be written is an error with a next step, not a traceback."""
    with pytest.raises(runs.RecordError, match="cannot be written") as caught:
        runs.write_record(tmp_path / "gone", RECORD)
    assert "MADLAUNCH_STATE_DIR" in caught.value.next_step


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"MADLAUNCH_STATE_DIR": "/own", "XDG_STATE_HOME": "/xdg"}, "/own", id="own"),
        pytest.param({"XDG_STATE_HOME": "/xdg"}, "/xdg/madlaunch", id="xdg"),
        pytest.param({"XDG_STATE_HOME": "relative"}, "/home/u/.local/state/madlaunch", id="relative xdg"),
        pytest.param({}, "/home/u/.local/state/madlaunch", id="home"),
    ],
)
def test_state_directory_when_asked_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: str
) -> None:
    """Our own variable beats XDG, which beats the home."""
    monkeypatch.setenv("HOME", "/home/u")
    assert runs.state_directory(environ) == Path(expected)
    assert runs.record_directory("r", environ) == Path(expected) / "runs" / "r"


def test_masked_when_variables_have_secret_names_hides_their_values() -> None:
    """Values of secret names go, whatever their type and depth; names of secrets and empty values stay."""
    document: dict[str, Any] = {
        "all": {
            "vars": {
                "ansible_password": "x",
                "ansible_ssh_pass": "y",
                "container_env_secret": {"T": "z"},
                "model": "m",
            },
            "hosts": {"a": {"ansible_become_password": "q", "ansible_port": 22, "list": [{"api_token": "t"}]}},
        },
        "secret_names": ["T"],
        "bypass": "no",
        "ansible_ssh_private_key_file": "/k",
        "other_password": "",
    }
    assert runs.masked(document) == {
        "all": {
            "vars": {
                "ansible_password": "********",
                "ansible_ssh_pass": "********",
                "container_env_secret": "********",
                "model": "m",
            },
            "hosts": {
                "a": {"ansible_become_password": "********", "ansible_port": 22, "list": [{"api_token": "********"}]}
            },
        },
        "secret_names": ["T"],
        "bypass": "no",
        "ansible_ssh_private_key_file": "/k",
        "other_password": "",
    }


def test_record_when_written_is_plain_json(tmp_path: Path) -> None:
    """Other tools read it: schema first, texts as they are."""
    runs.write_record(tmp_path, RECORD)
    document = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert next(iter(document)) == "schema"
    assert document["outcome"]["ranks"][0]["first_lines"] == ["é"]
