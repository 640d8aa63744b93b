# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the files of a run on a node."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import paths
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.errors import NodeError


@pytest.mark.parametrize("run_id", ["a", "7", "20260131-120000-ab12", "A.b_c-d", "x" * 64])
def test_check_run_id_accepts_names_that_are_safe_everywhere(run_id: str) -> None:
    """Letters, digits, dot, underscore and dash name a run, up to 64 of them."""
    assert paths.check_run_id(run_id) == run_id


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", "-a", "a/b", "../a", "a b", "a\n", "ä", "x" * 65, None, 7, "a;rm"], ids=repr
)
def test_check_run_id_refuses_whatever_could_leave_the_directory(run_id: object) -> None:
    """Everything else is refused, with the value and the form that is allowed."""
    with pytest.raises(NodeError) as caught:
        paths.check_run_id(run_id)
    assert caught.value.message == f"the run id {run_id!r} is not usable"
    assert "letters" in caught.value.hint


@pytest.mark.parametrize("node_rank", [-1, True, "0", 1.0, None], ids=repr)
def test_check_rank_refuses_what_is_no_rank(node_rank: object) -> None:
    """A rank is a whole number from 0 on."""
    with pytest.raises(NodeError, match="is not a whole number from 0 on"):
        paths.check_rank(node_rank)


@pytest.mark.parametrize(
    ("state_dir", "expected"),
    [
        ("", "/home/ada/.local/state/madlaunch/runs"),
        ("~/runs here", "/home/ada/runs here/runs"),
        ("scratch/../state", "/home/ada/state/runs"),
        ("/scratch/ada", "/scratch/ada/runs"),
    ],
    ids=["default", "tilde", "relative", "absolute"],
)
def test_runs_dir_lies_where_the_state_dir_says(state_dir: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """'' is the default; a tilde and a relative path start at the home directory."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert paths.runs_dir(state_dir) == expected


def test_ranks_are_listed_by_number_without_other_entries(tmp_path: Path) -> None:
    """rank10 comes after rank2, and a mark of a stop is no rank."""
    run = paths.RunDir(str(tmp_path), "r")
    for name in ("rank10", "rank2", "rank2.stopped", "other"):
        (tmp_path / "runs" / "r" / name).mkdir(parents=True)
    assert [(number, rank.path) for number, rank in run.ranks()] == [
        (2, f"{tmp_path}/runs/r/rank2"),
        (10, f"{tmp_path}/runs/r/rank10"),
    ]


def test_ranks_are_listed_newest_attempt_first(tmp_path: Path) -> None:
    """The first attempt has no directory of its own; what is no attempt, or empty, is passed over."""
    run = paths.RunDir(str(tmp_path), "attempt7")
    for name in ("rank0", "attempt2/rank1", "attempt2/rank0", "attempt10/rank0", "attempt3", "attempt0/rank9"):
        (tmp_path / "runs" / "attempt7" / name).mkdir(parents=True)
    assert [
        (number, rank.attempt, Path(rank.path).relative_to(run.path).as_posix()) for number, rank in run.ranks()
    ] == [
        (0, 10, "attempt10/rank0"),
        (0, 2, "attempt2/rank0"),
        (1, 2, "attempt2/rank1"),
        (0, 0, "rank0"),
    ]
    assert [run.rank(0, attempt).path for attempt in (10, 0)] == [f"{run.path}/attempt10/rank0", f"{run.path}/rank0"]


@pytest.mark.parametrize("attempt", [-1, True, "0", None], ids=repr)
def test_check_attempt_refuses_what_is_no_attempt(attempt: object) -> None:
    """An attempt is a whole number from 0 on."""
    with pytest.raises(NodeError, match="is not a whole number from 0 on"):
        paths.check_attempt(attempt)


def test_run_ids_of_a_login_without_runs_are_none(tmp_path: Path) -> None:
    """A state directory that does not exist has no runs, and is not made."""
    assert paths.run_ids(str(tmp_path / "state")) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", "log", "run.sh", "work", "status.json"])
def test_file_refuses_names_that_are_taken_or_lead_away(name: str) -> None:
    """An extra file lies beside run.sh and takes the place of nothing."""
    with pytest.raises(NodeError, match="cannot be the name of a file of a run"):
        paths.RankDir("/state/runs/r/rank0").file(name)


def test_file_gives_the_path_beside_the_script() -> None:
    """Any other name is taken as it is."""
    assert paths.RankDir("/state/runs/r/rank0").file("context.json") == "/state/runs/r/rank0/context.json"
