# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that a host fails alone: one launch on nodes each of which is broken in a way of its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _findings, _node_call

from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import _need, _nothing_left
from tests.cluster.options import NodeOptions
from tests.integration.launching import Launch, launch
from tests.integration.preflighting import PREFLIGHT_FAILED, errors_of, runs, traces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.nodes import Node

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

NODES = {
    1: NodeOptions(madengine=""),
    3: NodeOptions(madengine="1"),
    4: NodeOptions(mad=False),
    5: NodeOptions(gpus=0),
    6: NodeOptions(gpus=4),
    7: NodeOptions(clock_skew_s=600.0),
    8: NodeOptions(state_kib=4096),
}


class Fault(NamedTuple):
    """A fault of one node: its number, and what is found (the message as a pattern, a part of the fix)."""

    number: int
    check: str
    message: str
    fix: str
    name: str


FAULTS = [
    Fault(
        1,
        "madengine",
        r"madengine was not found: no executable file named 'madengine' on the PATH of the login\.",
        "--madengine-path /path/to/madengine",
        "madengine-missing",
    ),
    Fault(
        2,
        "version",
        r"The version of madengine is unknown: /run/node/bin/madengine --version ended with 1 and named no version; "
        r"it said: 'ImportError: no typer'\.",
        "/run/node/bin/madengine --version",
        "madengine-broken",
    ),
    Fault(
        3,
        "version",
        r"madengine 1\.0\.0 is installed, but the other hosts have version 2\.",
        "Install madengine 2 there",
        "version-differs",
    ),
    Fault(
        4,
        "mad_dir",
        r"There is no folder /home/mluser/MAD\.",
        "git clone https://github.com/ROCm/MAD.git /home/mluser/MAD",
        "mad_dir-missing",
    ),
    Fault(
        5,
        "gpus",
        r"No GPU was found, so the number of processes is unknown\.",
        "--nproc-per-node 8",
        "gpus-none",
    ),
    Fault(6, "gpus", r"There are 4 GPUs, but 2 on the other hosts\.", "--nproc-per-node 2", "gpus-unequal"),
    Fault(
        7,
        "clock",
        r"Its clock differs from that of 198\.18\.\d+\.10 by (59\d|60\d) s: logs cannot be put in order\.",
        "sudo timedatectl set-ntp true",
        "clock-ahead",
    ),
    Fault(
        8,
        "free_space",
        r"/home/mluser/\.local/state/madlaunch has only 4\.0 MiB left; a run needs [\d.]+ MiB .*\.",
        "--node-state-dir /path/with/space",
        "free_space",
    ),
    Fault(
        9,
        "python",
        r"The preflight cannot run: the host has no Python 3\.8 or later that can be run",
        "ansible_python_interpreter",
        "python-missing",
    ),
    Fault(
        10,
        "model",
        r"madengine knows no model 'demo_train' there\.",
        "cd /home/mluser/MAD && /run/node/bin/madengine discover",
        "model-unknown",
    ),
]


def break_madengine(node: Node) -> None:
    """Have a madengine that ends with a traceback, as one whose environment was half removed."""
    program = node.path("/run/node/bin/madengine")
    program.unlink()
    program.write_text("#!/bin/sh\necho 'ImportError: no typer' >&2\nexit 1\n")
    program.chmod(0o755)


def hide_python(node: Node) -> None:
    """Put an empty file over every interpreter that would be found, whatever this machine has."""
    names = " ".join(_node_call.CANDIDATES)
    hide = 'while f=$(command -v "$p") && [ -x "$f" ]; do mount --bind /dev/null "$(readlink -f "$f")" || exit 1; done'
    node.exec(["sh", "-c", f"for p in {names}; do {hide}; done"])


def forget_model(node: Node) -> None:
    """Take the model out of the checkout of one node, as an old clone would lack it."""
    path = node.home / "MAD/models.json"
    path.write_text(json.dumps([model for model in json.loads(path.read_text()) if model["name"] != "demo_train"]))


@pytest.fixture(scope="module")
def cluster(_namespaces: bool) -> Iterator[Cluster]:  # noqa: FBT001 - a fixture
    """Eleven nodes: the first is well, each other one has one fault."""
    _need(_namespaces)
    with Cluster(11, overrides=NODES) as made:
        break_madengine(made.nodes[2])
        hide_python(made.nodes[9])
        forget_model(made.nodes[10])
        yield made
        _nothing_left(made)


@pytest.fixture(scope="module")
def done(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """One launch on all of them, which would have been a run."""
    return launch(cluster, tmp_path_factory.mktemp("state"), "--model", "demo_train")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_launch_when_a_host_is_broken_then_it_has_that_finding_alone(
    cluster: Cluster, done: Launch, fault: Fault
) -> None:
    """The host has one error, of the very check, which says what is wrong and what mends it."""
    [finding] = errors_of(done, cluster.nodes[fault.number])
    assert finding["check"] == fault.check
    assert re.fullmatch(fault.message, finding["message"])
    assert fault.fix in finding["fix"]


def test_launch_when_hosts_are_broken_then_all_is_in_one_report_and_nothing_is_started(
    cluster: Cluster, done: Launch
) -> None:
    """One report in the order of the checks; the sound host is not accused; no run directory, no trace, exit code 3."""
    address = [node.address for node in cluster.nodes]
    faults = sorted(FAULTS, key=lambda fault: (_findings.CHECKS.index(fault.check), fault.number))
    assert (done.returncode, done.outcome["state"]) == (PREFLIGHT_FAILED, "preflight")
    assert done.errors == [(fault.check, address[fault.number]) for fault in faults]
    assert (len(done.of("preflight")), done.of("start"), done.of("rank")) == (1, [], [])
    assert {rank["state"] for rank in done.outcome["ranks"]} == {"not_started"}
    assert [(runs(node), traces(node)) for node in cluster.nodes] == [([], [])] * len(address)


def test_launch_when_more_processes_than_gpus_are_wanted_then_each_host_says_how_many_it_has(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Four GPUs are enough for three processes, two are not; none at all may be meant, so that is only a warning."""
    done = launch(cluster, tmp_path, "--model", "demo_train", "--nproc-per-node", "3", "--check-only")
    said = {item["host"]: (item["severity"], item["message"]) for item in done.findings if item["check"] == "gpus"}
    expected = {node.address: ("error", "There are 2 GPUs, but 3 processes were asked for.") for node in cluster.nodes}
    expected[cluster.nodes[5].address] = ("warning", "No GPU was found; 3 processes will be started all the same.")
    del expected[cluster.nodes[6].address], expected[cluster.nodes[9].address]
    assert (done.returncode, said) == (PREFLIGHT_FAILED, expected)
