# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from the files that a rank leaves behind, in whole values."""

from __future__ import annotations

import csv
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import evidence

if TYPE_CHECKING:
    from pathlib import Path

NOTHING: dict[str, Any] = {
    "runner": None,
    "complete": True,
    "model_started": False,
    "model_finished": False,
    "performance_line": False,
    "exception": None,
    "status_line": None,
    "error_pattern": None,
    "skipped": None,
    "failure_line": None,
}
V1_RUNNER = (
    "NCCL_SOCKET_IFNAME=ens14np0 GLOO_SOCKET_IFNAME=ens14np0 torchrun --nproc_per_node 8 --nnodes 2 "
    "--node_rank 1 --master_addr 10.0.0.1 --master_port 4000"
)
V2_RUNNER = "torchrun --nnodes=2 --nproc_per_node=8 --node_rank=1 --master_addr=10.0.0.1 --master_port=4000"
V1_START = (
    "MAD_MINIO environment variable is not set.\n"
    f"Context is {{'docker_env_vars': {{'MAD_GPU_VENDOR': 'AMD', 'MAD_MULTI_NODE_RUNNER': '{V1_RUNNER}'}}}}\n"
    f"> docker run -t -d -u 0:0 --env X='a b' --env MAD_MULTI_NODE_RUNNER='{V1_RUNNER}' --name c ci-m cat \n"
    "Running model...\n"
    '> docker exec 3f bash -c "cd run_directory &&  bash run.sh "\n'
)
V2_START = (
    f"Docker options: --network host --env NNODES=2 --env MAD_MULTI_NODE_RUNNER='{V2_RUNNER}' --device=/dev/kfd\n"
    f"> docker run -t -d --network host --env MAD_MULTI_NODE_RUNNER='{V2_RUNNER}' --name c ci-m cat \n"
    "Running model...\n"
)
V1_FAILED = (
    "[rank1]: ValueError: bad shape\n"
    "===== EXCEPTION =====\n"
    "Exception:  Subprocess 'docker exec 3f bash -c \"x\"' failed with exit code 1\n"
    "Traceback (most recent call last):\n"
    "RuntimeError: Subprocess 'docker exec 3f bash -c \"x\"' failed with exit code 1\n"
    "=============== =====\n"
    "===== EXCEPTION =====\n"
    "Some models failed to run.\n"
)
V2_PATTERN = (
    "Test Duration: 1e-05 seconds\n"
    "Found error pattern 'FAILED' in logs\n"
    "Status: FAILURE (error patterns detected in logs)\n"
)
LOOK_ALIKES = (
    "--env MAD_MULTI_NODE_RUNNER='x'\n"
    "Test Duration: 3 seconds or so\n"
    "Test Duration: soon seconds\n"
    "Exception: 3\n"
    "my performance: none\n"
    "noError: x\n"
)


@pytest.fixture(name="rank_dir")
def _rank_dir(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path


def gather(rank_dir: Path, log: str | bytes = "", **options: int) -> dict[str, Any]:
    """Write the log and gather."""
    (rank_dir / "log").write_bytes(log if isinstance(log, bytes) else log.encode())
    return evidence.gather(str(rank_dir), str(rank_dir / "work"), **options)


def markers(rank_dir: Path, log: str) -> dict[str, Any]:
    """Return the markers that differ from those of an empty log."""
    found = gather(rank_dir, log)["markers"]
    assert found.keys() == NOTHING.keys()
    return {name: value for name, value in found.items() if value != NOTHING[name]}


def test_gather_returns_every_key_when_a_rank_left_all_its_files(rank_dir: Path) -> None:
    """The whole evidence of a good rank."""
    (rank_dir / "work/perf.csv").write_text("model, status\nm,SUCCESS\n", encoding="utf-8")
    (rank_dir / "summary.json").write_text('{"overall_success": true}', encoding="utf-8")
    assert gather(rank_dir, "one\n\n\x1b[31mtwo\x1b[0m\tend\r\n10%\r20%") == {
        "schema": 1,
        "perf_csv": "model, status\nm,SUCCESS\n",
        "perf_rows_before": 0,
        "summary": {"overall_success": True},
        "markers": NOTHING,
        "first_lines": ["one", "two    end", "20%"],
        "last_lines": ["one", "two    end", "20%"],
        "log_size_bytes": 30,
        "log_lines": 4,
        "errors": [],
    }


def test_gather_says_what_is_missing_when_a_rank_left_nothing(rank_dir: Path) -> None:
    """No log is an error worth telling; no results are not."""
    assert evidence.gather(str(rank_dir), str(rank_dir / "work")) == {
        "schema": 1,
        "perf_csv": None,
        "perf_rows_before": 0,
        "summary": None,
        "markers": NOTHING,
        "first_lines": [],
        "last_lines": [],
        "log_size_bytes": 0,
        "log_lines": 0,
        "errors": [f"{rank_dir}/log: No such file or directory"],
    }


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (
            V1_START
            + "step 1\nm performance: 12.5 tokens\nTest Duration: 3.25 seconds\nm performance is 12.5 tokens\n",
            {"runner": V1_RUNNER, "model_started": True, "model_finished": True, "performance_line": True},
        ),
        (
            V1_START + V1_FAILED,
            {
                "runner": V1_RUNNER,
                "model_started": True,
                "exception": "Subprocess 'docker exec 3f bash -c \"x\"' failed with exit code 1",
                "failure_line": "[rank1]: ValueError: bad shape",
            },
        ),
        (
            V1_START + "performance: 12.5 tokensTest Duration: 3.25 seconds\n",
            {"runner": V1_RUNNER, "model_started": True, "model_finished": True, "performance_line": True},
        ),
        (
            V1_START + "out of time===== EXCEPTION =====\nException:  too bad\n",
            {"runner": V1_RUNNER, "model_started": True, "exception": "too bad", "failure_line": "too bad"},
        ),
        ("".join(V1_START.splitlines(keepends=True)[:2]), {"runner": V1_RUNNER}),
        (
            V2_START + V2_PATTERN,
            {
                "runner": V2_RUNNER,
                "model_started": True,
                "model_finished": True,
                "error_pattern": "FAILED",
                "status_line": "Status: FAILURE (error patterns detected in logs)",
            },
        ),
        ("\U0001f528 Build error: no image\n", {"failure_line": "Build error: no image"}),
        ("\u2502 No such option: --x  \u2502\n", {"failure_line": "No such option: --x"}),
        (
            "madengine: error: unrecognized arguments: --x\n",
            {"failure_line": "madengine: error: unrecognized arguments: --x"},
        ),
        ("FileNotFoundError: models.json\n", {"failure_line": "FileNotFoundError: models.json"}),
        ("my.pkg.OddException: x\n", {"failure_line": "my.pkg.OddException: x"}),
        ("[rank3]: KeyboardInterrupt\n", {"failure_line": "[rank3]: KeyboardInterrupt"}),
        ("SystemExit: 1\n", {"failure_line": "SystemExit: 1"}),
        ("Skipping model run\n", {"skipped": "Skipping model run"}),
        ("\x1b[1;32mStatus: SUCCESS (x)\x1b[0m\n", {"status_line": "Status: SUCCESS (x)"}),
        (LOOK_ALIKES, {}),
    ],
    ids=[
        "v1-good",
        "v1-model-failed",
        "v1-good-last-line-without-end",
        "v1-model-failed-last-line-without-end",
        "v1-context-only",
        "v2-error-pattern",
        "v2-build",
        "v2-usage",
        "v1-usage",
        "uncaught",
        "exception",
        "interrupt",
        "exit",
        "skip",
        "colored",
        "look-alikes",
    ],
)
def test_markers_tell_what_madengine_printed(rank_dir: Path, log: str, expected: dict[str, Any]) -> None:
    """Only madengine's own wording counts: it begins a line, or is right behind the model's last word."""
    assert markers(rank_dir, log) == expected


def test_gather_leaves_out_earlier_rows_when_the_run_was_in_place(rank_dir: Path) -> None:
    """Rows of the checkout from before the run are not this run's; quoted line breaks do not disturb the count."""
    before = 'model, performance\nold,"1\n2"\n\nold,3\n'
    (rank_dir / "work/perf.csv").write_text(before, encoding="utf-8")
    count = evidence.count_perf_rows(str(rank_dir / "work"))
    (rank_dir / "work/perf.csv").write_text(before + "new,4\n", encoding="utf-8")
    found = gather(rank_dir, perf_rows_before=count)
    assert (count, found["perf_csv"], found["perf_rows_before"]) == (2, "model,performance\nnew,4\n", 2)


def test_count_perf_rows_is_0_when_there_is_no_file_or_only_a_header(rank_dir: Path) -> None:
    """A new checkout has no results."""
    work = str(rank_dir / "work")
    assert evidence.count_perf_rows(work) == 0
    (rank_dir / "work/perf.csv").write_text("model, status\n", encoding="utf-8")
    assert evidence.count_perf_rows(work) == 0


def test_count_perf_rows_is_0_when_the_file_cannot_be_read(rank_dir: Path) -> None:
    """What cannot be counted must not keep a run from starting."""
    (rank_dir / "work/perf.csv").mkdir()
    assert evidence.count_perf_rows(str(rank_dir / "work")) == 0
    (rank_dir / "work/perf.csv").rmdir()
    with (rank_dir / "work/perf.csv").open("wb") as stream:
        stream.write(b"model\n" + b"x" * (evidence.MAX_RESULT_BYTES + 1))
    assert evidence.count_perf_rows(str(rank_dir / "work")) == 0


@pytest.mark.parametrize("depth", [evidence.MAX_DEPTH + 1, 100_000], ids=["not-to-be-sent", "not-to-be-read"])
def test_gather_has_no_summary_when_it_is_nested_too_deeply(rank_dir: Path, depth: int) -> None:
    """The rest of the evidence comes all the same, and says why."""
    path = rank_dir / "summary.json"
    path.write_text('{"a":' + "[" * depth + "]" * depth + "}", encoding="ascii")
    found = gather(rank_dir)
    assert (found["summary"], found["errors"]) == (None, [f"{path}: it is nested too deeply"])


def test_gather_has_the_summary_when_it_is_nested_as_deeply_as_allowed(rank_dir: Path) -> None:
    """The limit is far above what madengine writes."""
    depth = evidence.MAX_DEPTH - 1
    (rank_dir / "summary.json").write_text('{"a":' + "[" * depth + "]" * depth + "}", encoding="ascii")
    assert list(gather(rank_dir)["summary"]) == ["a"]


def test_gather_cuts_results_at_whole_rows_when_they_are_huge(rank_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result file that is too large is not sent, but its first rows are."""
    monkeypatch.setattr(evidence, "MAX_RESULT_BYTES", 16)
    # The limit of a field is one of the whole process, and would outlive this test.
    monkeypatch.setattr(csv, "field_size_limit", lambda limit: limit)
    (rank_dir / "work/perf.csv").write_text("model\n" + "row1\nrow2\nrow3\n", encoding="utf-8")
    assert gather(rank_dir)["perf_csv"] == "model\nrow1\nrow2\n"


@pytest.mark.parametrize("text", ["[1]", "{", "\xff"], ids=["list", "cut", "latin"])
def test_gather_has_no_summary_when_the_file_is_none(rank_dir: Path, text: str) -> None:
    """A summary that was cut off or is something else is as good as none."""
    (rank_dir / "summary.json").write_text(text, encoding="latin-1")
    assert gather(rank_dir)["summary"] is None


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(
            V1_START + "Traceback:\n  File x\n\tcode\n" + V1_FAILED + "table\n" * 30,
            [*V1_START.splitlines()[-2:], "Traceback:", "  File x", "    code", "[rank1]: ValueError: bad shape"],
            id="exception",
        ),
        pytest.param(
            V2_START + "".join(f"step {n}\n" for n in range(30)) + "no end" + V2_PATTERN + "table\n" * 30,
            [*(f"step {n}" for n in range(11, 30)), "no endTest Duration: 1e-05 seconds"],
            id="pattern",
        ),
        pytest.param(
            V2_START + "one\nlast===== EXCEPTION =====\nException: x\n",
            ["Running model...", "one", "last"],
            id="line-without-an-end",
        ),
        pytest.param(
            "===== EXCEPTION =====\nException: x\n" + V2_START + "good\n",
            ["===== EXCEPTION =====", "Exception: x", *map(str.rstrip, V2_START.splitlines()), "good"],
            id="before-the-model",
        ),
    ],
)
def test_gather_keeps_the_last_lines_of_a_failed_model_itself(rank_dir: Path, log: str, expected: list[str]) -> None:
    """They end where madengine's report begins, begin with the model, and keep their indentation."""
    assert gather(rank_dir, log)["last_lines"] == expected


def test_gather_reads_the_beginning_and_the_end_of_a_log_that_is_large(
    rank_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markers of both ends are found, the middle is counted, and the evidence says that it is not complete."""
    monkeypatch.setattr(evidence, "HEAD_BYTES", 2000)
    monkeypatch.setattr(evidence, "TAIL_BYTES", 1000)
    monkeypatch.setattr(evidence, "LINE_BYTES", 700)
    middle = "===== EXCEPTION =====\nException: not seen\n" + "".join(f"step {n}\n" for n in range(5000))
    log = V1_START + "x" * 1990 + "\n" + middle + "Test Duration: 1.0 seconds\nlast"
    found = gather(rank_dir, log)
    assert {name: value for name, value in found["markers"].items() if value != NOTHING[name]} == {
        "runner": V1_RUNNER,
        "complete": False,
        "model_started": True,
        "model_finished": True,
    }
    assert (found["log_size_bytes"], found["log_lines"]) == (len(log), log.count("\n") + 1)
    assert found["last_lines"][-2:] == ["Test Duration: 1.0 seconds", "last"]
    assert len(found["last_lines"]) == 20


def test_gather_needs_little_memory_when_a_line_is_very_long(rank_dir: Path) -> None:
    """A log that is one line of 40 MB is read in pieces."""
    data = b"x" * 40_000_000 + b"\nTest Duration: 1.0 seconds\n"
    (rank_dir / "log").write_bytes(data)
    tracemalloc.start()
    try:
        found = evidence.gather(str(rank_dir), str(rank_dir / "work"))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found["log_lines"], found["markers"]["model_finished"], len(found["first_lines"][0])) == (2, True, 1000)
    assert peak_bytes < 6_000_000


def test_gather_takes_no_piece_of_a_long_line_for_a_line(rank_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the middle of a line is the model's own text, wherever the reader happens to cut."""
    monkeypatch.setattr(evidence, "LINE_BYTES", 10)
    found = gather(rank_dir, "x" * 10 + "Running model...\nRunning")
    assert (found["markers"]["model_started"], found["first_lines"]) == (False, ["x" * 10, "Running"])


def test_gather_gives_json_when_the_log_is_not_utf8(rank_dir: Path) -> None:
    """Bytes of any kind become text that can be sent."""
    found = gather(rank_dir, b"\xff\xfe\x00 abc \xe2\x82\n")
    assert json.loads(json.dumps(found)) == found
    assert found["last_lines"] == ["\ufffd\ufffd  abc \ufffd"]
