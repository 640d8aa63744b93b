# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight finds on one host, each finding as a whole value."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.plugins.module_utils.findings_case import Case, finding

# --- one host: (spoiled, the whole finding) ---------------------------------------------------------------------------

ONE_HOST: list[Any] = [
    pytest.param(
        Case().spoil(2, "madengine", path=None, version=None, major=None, error="no file 'm'", elsewhere=["/o p/m"]),
        finding(
            "madengine",
            "error",
            "node2",
            message="madengine was not found: no file 'm'.",
            seen="no file 'm'",
            expected="an executable madengine",
            fix="It is there under another path: --madengine-path '/o p/m' (variable madengine_path)",
        ),
        id="madengine-elsewhere",
    ),
    pytest.param(
        Case().spoil(2, "madengine", version=None, major=None, error="/m --version: did not end within 20 s"),
        finding(
            "version",
            "error",
            "node2",
            message="The version of madengine is unknown: /m --version: did not end within 20 s.",
            seen="/m --version: did not end within 20 s",
            expected="a version",
            fix="Run it by hand on the host and mend what it says: /usr/bin/madengine --version",
        ),
        id="version-unknown",
    ),
    pytest.param(
        Case().set(madengine_version="2").spoil(3, "madengine", version="1.0.0", major=1),
        finding(
            "version",
            "error",
            "node3",
            message="madengine 1.0.0 is installed, but version 2 was asked for.",
            seen="madengine 1.0.0",
            expected="madengine 2",
            fix="Install madengine 2 there, or ask for this one: --madengine-version 1 (variable madengine_version)",
        ),
        id="version-not-the-wanted",
    ),
    pytest.param(
        Case(1).spoil(1, "madengine", version="3.0.0", major=3),
        finding(
            "version",
            "error",
            "node1",
            message="madengine 3.0.0 is neither version 1 nor version 2, whose command line is known.",
            seen="madengine 3.0.0",
            expected="madengine 1 or 2",
            fix="Install madengine 1 or 2, or point to one: "
            "--madengine-path /path/to/madengine (variable madengine_path)",
        ),
        id="version-too-new",
    ),
    pytest.param(
        Case().spoil(2, "madengine", version="1.0.0", major=1),
        finding(
            "version",
            "error",
            "node2",
            message="madengine 1.0.0 is installed, but the other hosts have version 2.",
            seen="madengine 1.0.0",
            expected="madengine 2 as on node1, node3",
            fix="Install madengine 2 there, or point to it: "
            "--madengine-path /path/to/madengine (variable madengine_path)",
        ),
        id="version-of-the-minority",
    ),
    pytest.param(
        Case().spoil(1, "madengine", version="2.0.0"),
        finding(
            "version",
            "warning",
            "node1",
            message="madengine 2.0.0 is installed, but the other hosts have 2.1.0.",
            seen="2.0.0",
            expected="2.1.0 as on node2, node3",
            fix="Install madengine 2.1.0 there.",
        ),
        id="version-minor",
    ),
    pytest.param(
        Case().spoil(2, "mad_dir", exists=False, readable=False, path="/home/u/my MAD"),
        finding(
            "mad_dir",
            "error",
            "node2",
            message="There is no folder /home/u/my MAD.",
            seen="missing",
            expected="a checkout of MAD",
            fix="git clone https://github.com/ROCm/MAD.git '/home/u/my MAD' on the host, or say where it is: "
            "--mad-dir /path/to/MAD (variable mad_dir)",
        ),
        id="mad-dir-missing",
    ),
    pytest.param(
        Case().spoil(2, "mad_dir", readable=False),
        finding(
            "mad_dir",
            "error",
            "node2",
            message="u may not read /home/u/MAD.",
            seen="unreadable",
            expected="readable",
            fix="Let u read it: chmod -R a+rX /home/u/MAD, or say where it is: "
            "--mad-dir /path/to/MAD (variable mad_dir)",
        ),
        id="mad-dir-unreadable",
    ),
    pytest.param(
        Case().spoil(2, "mad_dir", models_json=False, scripts=False),
        finding(
            "mad_dir",
            "error",
            "node2",
            message="/home/u/MAD is no checkout of MAD: it has no models.json and no scripts/.",
            seen="no models.json and no scripts/",
            expected="models.json and scripts/",
            fix="Clone MAD there (git clone https://github.com/ROCm/MAD.git), or say where it is: "
            "--mad-dir /path/to/MAD (variable mad_dir)",
        ),
        id="mad-dir-empty",
    ),
    pytest.param(
        Case().set(model="it's").spoil(2, "discover", rc=1, found=False, tail="x\nNo models found for it's"),
        finding(
            "model",
            "error",
            "node2",
            message='madengine knows no model "it\'s" there.',
            seen="No models found for it's",
            expected="a tag that madengine discovers",
            fix="See them: cd /home/u/MAD && /usr/bin/madengine discover",
        ),
        id="model-unknown",
    ),
    pytest.param(
        Case().spoil(2, "discover", rc=1, found=False, tail="Traceback\nKeyError: 'name'"),
        finding(
            "model",
            "error",
            "node2",
            message="madengine discover ended with 1, so the model 'tag' could not be looked up: KeyError: 'name'",
            seen="KeyError: 'name'",
            expected="exit code 0",
            fix="Run it by hand: cd /home/u/MAD && /usr/bin/madengine discover --tags tag",
        ),
        id="model-lookup-broken",
    ),
    pytest.param(
        Case().spoil(2, "state", free_bytes=50 << 20),
        finding(
            "free_space",
            "error",
            "node2",
            message="/home/u/.local/state/madlaunch has only 50.0 MiB left; "
            "a run needs 102.0 MiB (twice the checkout and 100 MiB).",
            seen="50.0 MiB",
            expected="102.0 MiB",
            fix="Remove old runs in /home/u/.local/state/madlaunch/runs, or use another folder: "
            "--node-state-dir /path/with/space (variable node_state_dir)",
        ),
        id="space-for-state",
    ),
    pytest.param(
        Case().spoil(2, "state", free_inodes=0),
        finding(
            "free_space",
            "error",
            "node2",
            message="The file system of /home/u/.local/state/madlaunch has no inode left, so no file can be made.",
            seen="0 inodes",
            expected="free inodes",
            fix="See: df -i; and where they went: du --inodes -x -d 3 / | sort -n; or use another folder: "
            "--node-state-dir /path/with/space (variable node_state_dir)",
        ),
        id="inodes",
    ),
    pytest.param(
        Case().spoil(2, "state", writable=False, error="/home/u is not a folder in which this login may write"),
        finding(
            "free_space",
            "error",
            "node2",
            message="The run directory cannot be made in /home/u/.local/state/madlaunch: "
            "/home/u is not a folder in which this login may write.",
            seen="/home/u is not a folder in which this login may write",
            expected="a writable folder",
            fix="sudo install -d -o u /home/u/.local/state/madlaunch, or use another folder: "
            "--node-state-dir /path/with/space (variable node_state_dir)",
        ),
        id="state-not-writable",
    ),
    pytest.param(
        Case().spoil(1, "shared", free_bytes=1000).spoil(2, "shared", free_bytes=1000),
        finding(
            "free_space",
            "warning",
            "node1",
            message="/nfs/data has only 1000 B left.",
            seen="1000 B",
            expected="1.0 GiB",
            fix="See what takes it: df -h /nfs/data",
        ),
        id="space-for-data",
    ),
    pytest.param(
        Case().spoil(2, "gpus", count=None, source=""),
        finding(
            "gpus",
            "error",
            "node2",
            message="No GPU was found, so the number of processes is unknown.",
            seen="no GPU driver and no GPU tool",
            expected="GPUs",
            fix="Load the GPU driver (see: sudo dmesg | grep -i -e amdgpu -e nvidia), or say how many processes: "
            "--nproc-per-node 8 (variable nproc_per_node)",
        ),
        id="no-gpus",
    ),
    pytest.param(
        Case().set(nproc_per_node=8).spoil(2, "gpus", count=0, source="rocm-smi --showid --csv"),
        finding(
            "gpus",
            "warning",
            "node2",
            message="No GPU was found; 8 processes will be started all the same.",
            seen="rocm-smi --showid --csv",
            expected="8 GPUs",
            fix="Load the GPU driver, unless the training is meant to run on CPUs.",
        ),
        id="no-gpus-but-a-number",
    ),
    pytest.param(
        Case().set(nproc_per_node=8).spoil(2, "gpus", count=7, source="kfd"),
        finding(
            "gpus",
            "error",
            "node2",
            message="There are 7 GPUs, but 8 processes were asked for.",
            seen="7 GPUs (kfd)",
            expected="8 GPUs",
            fix="Give at most 7: --nproc-per-node 7 (variable nproc_per_node); or find the missing GPUs "
            "(see: sudo dmesg | grep -i -e amdgpu -e nvidia)",
        ),
        id="too-few-gpus",
    ),
    pytest.param(
        Case().spoil(2, "gpus", count=7),
        finding(
            "gpus",
            "error",
            "node2",
            message="There are 7 GPUs, but 8 on the other hosts.",
            seen="7 GPUs",
            expected="8 GPUs as on node1, node3",
            fix="Find the missing ones, or give a number for all: --nproc-per-node 7 (variable nproc_per_node)",
        ),
        id="unequal-gpus",
    ),
    pytest.param(
        Case().spoil(
            2,
            leftovers=[
                {
                    "run_id": "mad-1",
                    "node_rank": 4,
                    "pid": 99,
                    "state": "running",
                    "age_s": 61.4,
                    "same_user": True,
                    "user": "u",
                    "model": "tag",
                },
            ],
        ),
        finding(
            "leftovers",
            "error",
            "node2",
            message="Run mad-1 of tag still runs there and may hold the GPUs.",
            seen="process 99, rank 4, for 61 s",
            expected="no process of another run",
            fix="python launcher.py stop mad-1; or run beside it: --skip-check leftovers",
        ),
        id="leftover",
    ),
    pytest.param(
        Case().spoil(
            2,
            leftovers=[
                {
                    "run_id": "mad-1",
                    "node_rank": 4,
                    "pid": 99,
                    "state": "running",
                    "age_s": 1.0,
                    "same_user": False,
                    "user": "bob",
                    "model": "",
                },
            ],
        ),
        finding(
            "leftovers",
            "error",
            "node2",
            message="Run mad-1 of user bob still runs there and may hold the GPUs.",
            seen="process 99, rank 4, for 1 s",
            expected="no process of another run",
            fix="Ask user bob to stop it (process 99); or run beside it: --skip-check leftovers",
        ),
        id="leftover-of-another-user",
    ),
    pytest.param(
        Case().spoil(2, failed={"gpus": "does not answer within 32 s"}).spoil(2, "gpus", count=None),
        finding(
            "gpus",
            "warning",
            "node2",
            message="This could not be checked: does not answer within 32 s.",
            seen="does not answer within 32 s",
            expected="an answer",
            fix="See what keeps the host from answering, or leave the check out: --skip-check gpus",
        ),
        id="not-probed",
    ),
]


@pytest.mark.parametrize(("case", "expected"), ONE_HOST)
def test_evaluate_when_one_thing_is_wrong_then_just_that_is_found(case: Case, expected: dict[str, Any]) -> None:
    """Each mistake gives one finding on its host, with what was seen, what was expected and what mends it."""
    assert case.findings() == [expected]


@pytest.mark.parametrize(("case", "expected"), ONE_HOST)
def test_evaluate_when_the_check_is_skipped_then_nothing_is_found(case: Case, expected: dict[str, Any]) -> None:
    """A skipped check says nothing, whatever it saw."""
    skipping = copy.deepcopy(case).set(skip_checks=[expected["check"]])
    assert skipping.findings() == []
