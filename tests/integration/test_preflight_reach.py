# SPDX-License-Identifier: GPL-3.0-or-later
"""Check `reach`: each reason for which a login fails is told, and the command that mends a changed key mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import launch
from tests.integration.preflighting import PREFLIGHT_FAILED, found, nodes_arg, runs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

NOWHERE = "no-such-node.invalid"
REFUSED = "Not reachable: the host is there, but no SSH server listens on that port."


def test_launch_when_logins_fail_then_each_reason_is_told_and_the_cures_work(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """No server, a refused key, a changed host key and a name that is not known, at once; then each is mended."""
    cluster = make_cluster(4)
    first, silent, refusing, renewed = cluster.nodes
    silent.stop_sshd()
    refusing.accept_key(accepted=False)
    renewed.change_host_key()
    nodes = f"{cluster.nodes_arg()},{NOWHERE}"
    broken = launch(cluster, tmp_path, "--model", "demo_train", "--nodes", nodes)
    said = [(item["host"], item["message"]) for item in broken.findings if item["check"] == "reach"]
    changed = "Not reachable: the host's key has changed; it was installed anew, or another host answers."
    refused = f"the key or the password of {cluster.access.user}"
    assert (broken.returncode, said) == (
        PREFLIGHT_FAILED,
        [
            (silent.address, REFUSED),
            (refusing.address, f"Not reachable: the login was refused: {refused} is not accepted."),
            (renewed.address, changed),
            (NOWHERE, "Not reachable: the name of the host cannot be resolved."),
        ],
    )
    assert broken.errors == [("reach", host) for host, _message in said]
    assert (broken.of("start"), runs(first)) == ([], [])

    silent.start_sshd()
    refusing.accept_key(accepted=True)
    fix = next(item["fix"] for item in broken.findings if item["host"] == renewed.address)
    command = fix.partition("installed anew: ")[2]
    assert command == f"ssh-keygen -f {cluster.access.known_hosts} -R {renewed.address}"
    assert cluster.run(["sh", "-c", command]).returncode == 0
    mended = launch(cluster, tmp_path, "--model", "demo_train", "--check-only")
    assert (mended.returncode, mended.errors) == (0, [])


def test_launch_when_rank_0_is_not_reached_then_no_other_host_is_accused(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """What could only be asked of rank 0 is not held against the others."""
    cluster = make_cluster(3)
    cluster.nodes[0].stop_sshd()
    done = launch(cluster, tmp_path, "--model", "demo_train")
    assert (done.returncode, found(done, cluster)) == (PREFLIGHT_FAILED, [("reach", 0, REFUSED)])
    assert [runs(node) for node in cluster.nodes] == [[], [], []]


def test_launch_when_a_key_is_unknown_and_checking_is_strict_then_that_is_the_reason(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """Strict takes no key that is not in known_hosts; the default learns it."""
    cluster = make_cluster(2)
    cluster.forget_known_hosts()
    words = ["--model", "demo_train", "--check-only", *nodes_arg(cluster.nodes)]
    strict = launch(cluster, tmp_path, *words, "--host-key-checking", "strict")
    message = "Not reachable: the host's key is not known yet, and unknown keys are refused."
    assert (strict.returncode, found(strict, cluster)) == (
        PREFLIGHT_FAILED,
        [("reach", 0, message), ("reach", 1, message)],
    )
    assert launch(cluster, tmp_path, *words).returncode == 0
