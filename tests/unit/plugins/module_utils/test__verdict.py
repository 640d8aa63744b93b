# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict: what each way to end means, for a rank and for the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _verdict
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import RankOutcome

RUNNERS = {
    1: "NCCL_SOCKET_IFNAME=e GLOO_SOCKET_IFNAME=e torchrun --nproc_per_node 8 --nnodes 2 --node_rank 1 --master_addr m",
    2: "torchrun --nnodes=2 --nproc_per_node=8 --node_rank=1 --master_addr=m --master_port=4000",
}
ALONE = "torchrun --standalone --nproc_per_node=8"
GOOD_ROW = "model,performance,metric,status\nllama,12.5,tokens/s,SUCCESS\n"
FAILURE_ROW = "model,performance,metric,status\nllama,,,FAILURE\n"
NO_METRICS = "Status: FAILURE (no performance metrics)"
SCRIPT_FAILED = "Subprocess 'docker exec 3f bash -c \"x\"' failed with exit code 7"
STATUS: dict[str, Any] = {
    "state": "ended",
    "started_at_s": 100.0,
    "ended_at_s": 200.0,
    "exit_code": 0,
    "signal": None,
    "ended_by": "itself",
    "stop_reason": None,
    "timeout_s": 3600,
}


def judge(
    major: int,
    status: dict[str, Any] | None = None,
    markers: dict[str, Any] | None = None,
    runner: str = "torchrun",
    **evidence: object,
) -> RankOutcome:
    """Judge rank 1 of 2 that trained to its end without a result, changed in parts."""
    found = {
        **_verdict.NO_EVIDENCE["markers"],
        "complete": True,
        "model_started": True,
        "model_finished": True,
        "runner": RUNNERS[major],
        **(markers or {}),
    }
    rank = _verdict.Rank("node2", 1, 2, major, runner, "/logs/rank1.log")
    lines = {"first_lines": ["first"], "last_lines": ["last"]}
    known = {**_verdict.NO_EVIDENCE, **lines, **evidence, "markers": found}
    return _verdict.judge_rank(rank, {**STATUS, **(status or {})}, known)


def verdict(outcome: RankOutcome) -> tuple[str, str]:
    """Return state and reason."""
    return outcome.state, outcome.reason


def test_judge_rank_gives_the_whole_outcome_when_the_rank_was_good() -> None:
    """Every key of the outcome, in JSON types, and back."""
    outcome = judge(1, perf_csv=GOOD_ROW)
    assert outcome.as_dict() == {
        "host": "node2",
        "node_rank": 1,
        "state": "ok",
        "reason": "exit code 0; madengine recorded SUCCESS with a performance value (12.5 tokens/s)",
        "exit_code": 0,
        "signal": None,
        "started_at_s": 100.0,
        "ended_at_s": 200.0,
        "performance": [{"model": "llama", "performance": "12.5", "metric": "tokens/s"}],
        "first_lines": ["first"],
        "last_lines": ["last"],
        "log_path": "/logs/rank1.log",
        "stop_reason": None,
        "skipped": False,
        "clean": None,
        "left": [],
        "clock_offset_s": None,
    }
    assert RankOutcome.from_dict(json.loads(json.dumps(outcome.as_dict()))) == outcome


@pytest.mark.parametrize("major", [1, 2])
def test_judge_rank_is_ok_when_the_training_was_fine_and_only_the_number_is_missing(major: int) -> None:
    """v1 writes FAILURE for such a rank; v2 ends with 3 when it was told to collect."""
    fine = "the model ran to its end; this rank reported no performance value"
    assert verdict(judge(major, perf_csv=FAILURE_ROW)) == ("ok", f"exit code 0; {fine}")
    rc_3 = judge(major, {"exit_code": 3}, {"status_line": NO_METRICS}, perf_csv=FAILURE_ROW)
    assert verdict(rc_3) == ("ok", f"exit code 3; {fine}")


def test_judge_rank_is_ok_when_only_the_results_file_of_another_rank_is_missing() -> None:
    """Megatron writes its results file on one rank; v1 reports its absence on the others as an exception."""
    missing = {"exception": "[Errno 2] No such file or directory: 'perf_llama.csv'"}
    assert judge(1, markers=missing, perf_csv=FAILURE_ROW).state == "ok"
    assert judge(1, markers={**missing, "model_finished": False}, perf_csv=FAILURE_ROW).state == "failed"


def test_judge_rank_has_failed_when_v1_ends_with_0_and_the_model_failed() -> None:
    """The exit code is 0; the exception, and the model's own last error, are told."""
    cause = {"exception": SCRIPT_FAILED, "failure_line": "RuntimeError: boom", "model_finished": False}
    assert verdict(judge(1, markers=cause, perf_csv=FAILURE_ROW)) == (
        "failed",
        f"madengine reports an exception (exit code 0): {SCRIPT_FAILED}; the log has: RuntimeError: boom",
    )


SCRIPT = "Subprocess 'docker exec 3f bash -c \"cd run_directory &&  bash run.sh \"' failed with exit code 7"


@pytest.mark.parametrize(
    ("exception", "cause", "reason"),
    [
        (
            SCRIPT,
            f"RuntimeError: {SCRIPT}",
            "the model's script ended with exit code 7 (madengine itself ended with 0)",
        ),
        (
            SCRIPT,
            "ValueError: bad shape",
            (
                "the model's script ended with exit code 7 (madengine itself ended with 0); "
                "the log has: ValueError: bad shape"
            ),
        ),
        ("no image", "docker.errors.Error: no image", "madengine reports an exception (exit code 0): no image"),
    ],
    ids=["script", "script-with-cause", "other"],
)
def test_judge_rank_says_a_cause_once_when_the_exception_and_the_log_have_the_same(
    exception: str, cause: str, reason: str
) -> None:
    """The class of an error does not make it another one, and the command in the container is not shown."""
    known = {"exception": exception, "failure_line": cause, "model_finished": False}
    assert verdict(judge(1, markers=known, perf_csv=FAILURE_ROW)) == ("failed", reason)


@pytest.mark.parametrize("major", [1, 2])
def test_judge_rank_has_failed_when_the_model_trained_alone_although_madengine_says_success(major: int) -> None:
    """A runner for one node, or with another rank's numbers, is the end of trust in the number."""
    both = f"{RUNNERS[major]} --standalone"
    for runner in (ALONE, both, RUNNERS[major].replace("rank 1", "rank 0").replace("rank=1", "rank=0"), "python3"):
        assert verdict(judge(major, markers={"runner": runner}, perf_csv=GOOD_ROW)) == (
            "failed",
            f"the model trained alone, not as rank 1 of 2: its runner was {runner!r}",
        )


def test_judge_rank_wants_the_proof_of_the_runner_when_the_whole_log_was_read() -> None:
    """No proof in a whole log is a failure; in a log of which the middle was left out it may be there."""
    reason = "nothing proves that the ranks trained together: the log shows no MAD_MULTI_NODE_RUNNER"
    assert verdict(judge(2, markers={"runner": None}, perf_csv=GOOD_ROW)) == ("failed", reason)
    assert judge(2, markers={"runner": None, "complete": False}, perf_csv=GOOD_ROW).state == "ok"


def test_judge_rank_asks_for_no_runner_when_the_model_starts_its_own_processes_or_there_is_one_node() -> None:
    """A vLLM model has no runner string; one node may well be standalone."""
    assert judge(2, markers={"runner": None}, runner="vllm", perf_csv=GOOD_ROW).state == "ok"
    single = _verdict.Rank("n", 0, 1, 2, "torchrun")
    known = {**_verdict.NO_EVIDENCE, "perf_csv": GOOD_ROW}
    known["markers"] = {**known["markers"], "complete": True, "model_started": True, "runner": ALONE}
    assert _verdict.judge_rank(single, STATUS, known).state == "ok"


@pytest.mark.parametrize(
    ("exit_code", "markers", "reason"),
    [
        (
            3,
            {"error_pattern": "FAILED", "status_line": "Status: FAILURE (error patterns detected in logs)"},
            (
                "madengine found 'FAILED' in the model's output and ended with 3 "
                "(a context with log_error_pattern_scan false turns this search off)"
            ),
        ),
        (
            2,
            {"failure_line": "Build error: no image", "runner": None, "model_started": False, "model_finished": False},
            (
                "madengine ended with exit code 2 "
                "(the image was not built, the tag names no model, or an argument is not known); "
                "the log has: Build error: no image"
            ),
        ),
        (
            3,
            {"status_line": NO_METRICS, "model_finished": False},
            "madengine ended with exit code 3 (the model failed)",
        ),
        (7, {}, "madengine ended with exit code 7"),
        (
            0,
            {"model_finished": False, "model_started": False, "runner": None},
            "madengine ended (exit code 0) without running the model",
        ),
    ],
    ids=["error-pattern", "build", "no-metrics-and-no-end", "unknown-code", "nothing-ran"],
)
def test_judge_rank_has_failed_when_v2_says_so(exit_code: int, markers: dict[str, Any], reason: str) -> None:
    """The reason names the exit code, what it means, and the line of the log that tells the cause."""
    assert verdict(judge(2, {"exit_code": exit_code}, markers)) == ("failed", reason)


def test_judge_rank_has_failed_when_v1_ends_with_an_uncaught_error() -> None:
    """The meaning of v2's exit codes is not lent to v1."""
    markers = {"failure_line": "FileNotFoundError: models.json", "model_started": False, "model_finished": False}
    assert verdict(judge(1, {"exit_code": 1}, {**markers, "runner": None})) == (
        "failed",
        "madengine ended with exit code 1; the log has: FileNotFoundError: models.json",
    )


@pytest.mark.parametrize(
    ("perf_csv", "reason"),
    [
        (FAILURE_ROW, "madengine recorded FAILURE (exit code 0), and the model did not run to its end"),
        (
            "model,status\nm,SKIPPED\n",
            "madengine did not run the model: it recorded SKIPPED (see skip_gpu_arch of the model)",
        ),
    ],
    ids=["failure", "skipped-for-this-gpu"],
)
def test_judge_rank_has_failed_when_a_row_says_so_and_the_model_did_not_end(perf_csv: str, reason: str) -> None:
    """Exit code 0 and no exception are not enough."""
    assert verdict(judge(1, markers={"model_finished": False}, perf_csv=perf_csv)) == ("failed", reason)


def test_judge_rank_believes_v2s_summary_when_the_end_of_the_model_is_in_no_line() -> None:
    """The summary counts the run as done, with --tags and with a manifest."""
    done = {"successful_runs": [{"model": "m"}], "failed_runs": []}
    unseen = {"model_finished": False}
    assert judge(2, markers=unseen, summary={"run_phase": done}).state == "ok"
    assert judge(2, markers=unseen, summary=done).state == "ok"
    assert judge(2, markers=unseen, summary={"run_phase": {**done, "failed_runs": [{}]}}).state == "failed"


def test_judge_rank_is_ok_without_training_when_that_was_asked_for() -> None:
    """`--skip-model-run` builds and starts the container only; a model that madengine skips by itself is a failure."""
    asked = judge(1, markers={"skipped": "Skipping model run"})
    assert (*verdict(asked), asked.skipped) == (
        "ok",
        "exit code 0; the model was not run, as asked: Skipping model run",
        True,
    )
    deprecated = "WARNING: Skipping execution. No bypass flags mentioned."
    assert verdict(judge(1, markers={"skipped": deprecated, "model_started": False})) == (
        "failed",
        f"madengine did not run the model: {deprecated}",
    )


def test_judge_rank_tells_madengines_own_time_limit_from_a_failure() -> None:
    """An image's or model's limit is a time limit too."""
    outcome = judge(1, markers={"exception": "Program timed out. Requested timeout=5", "model_finished": False})
    assert verdict(outcome) == (
        "timeout",
        "madengine ended the model at its own time limit: Program timed out. Requested timeout=5",
    )


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ({"ended_by": "timeout", "exit_code": 130}, "timeout", "the time limit of 3600 s was reached"),
        (
            {"ended_by": "stop", "stop_reason": "gang", "signal": 2, "exit_code": None},
            "stopped",
            "stopped by the launch because another rank had failed",
        ),
        ({"ended_by": "stop", "stop_reason": "odd"}, "stopped", "stopped by the launch (odd)"),
        (
            {"ended_by": "lease", "signal": 9},
            "stopped",
            "stopped by its own node: the control node had not been heard of for longer than the lease",
        ),
        (
            {"signal": 9, "exit_code": None},
            "failed",
            (
                "madengine was killed by signal 9 (SIGKILL), not sent by the launch; "
                "the kernel does so when memory runs out (see dmesg)"
            ),
        ),
        (
            {"signal": 99, "exit_code": None},
            "failed",
            "madengine was killed by signal 99 (unknown), not sent by the launch",
        ),
        (
            {"ended_by": "supervisor_lost", "exit_code": None},
            "lost",
            "the process that watched over the rank on its node is gone",
        ),
        (
            {"state": "running", "ended_by": None, "exit_code": None, "ended_at_s": None},
            "lost",
            "the process that watched over the rank on its node is gone",
        ),
        ({"exit_code": None}, "lost", "the node does not know how the rank ended"),
        (
            {"gate": "closed", "ended_by": "stop", "stop_reason": "gang", "exit_code": None},
            "stopped",
            "stopped by the launch because another rank had failed; it had not begun",
        ),
        (
            {"gate": "closed", "ended_by": "lease", "stop_reason": "nobody followed within 9 s", "exit_code": None},
            "not_started",
            "made ready, but nobody followed within 9 s",
        ),
        (
            {"gate": "open", "ended_by": "stop", "stop_reason": "gang", "exit_code": None},
            "stopped",
            "stopped by the launch because another rank had failed",
        ),
    ],
    ids=[
        *("timeout", "gang", "other-stop", "lease", "killed", "odd-signal", "no-supervisor", "running", "unknown"),
        *("stopped-at-gate", "left-at-gate", "stopped-behind-gate"),
    ],
)
def test_judge_rank_tells_how_a_rank_was_ended_from_outside(status: dict[str, Any], state: str, reason: str) -> None:
    """What ended the rank decides, whatever its results say."""
    assert verdict(judge(2, status, perf_csv=GOOD_ROW)) == (state, reason)


def test_judge_rank_does_not_call_a_rank_good_when_its_evidence_could_not_be_had() -> None:
    """Exit code 0 without evidence proves nothing."""
    rank = _verdict.Rank("node2", 1, 2, 2, "torchrun")
    assert verdict(_verdict.judge_rank(rank, STATUS, None)) == (
        "failed",
        "madengine ended with exit code 0, but its log and results could not be read",
    )
