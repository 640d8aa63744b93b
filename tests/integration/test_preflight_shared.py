# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `shared_path` and `shared_same`: each way in which the shared path is wrong has a message of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.options import NodeOptions, Shared
from tests.integration.launching import launch
from tests.integration.preflighting import PREFLIGHT_FAILED, found, traces

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.fixtures import MakeCluster

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

MISSING = "/nfs/data does not exist."
PLAIN = "/nfs/data is a plain local folder on each host: every host would fetch its own copy of the data."
READONLY = "/nfs/data is mounted read-only, so madengine cannot mirror data into it."


def forgotten(mounted: int) -> str:
    """Return what is said of a plain folder where another node has a mount."""
    return f"/nfs/data is not mounted here, while on node{mounted} it is storage:/export (tmpfs)."


def other(first: int) -> str:
    """Return what is said of a mount of something else."""
    return f"/nfs/data is another file system than on node{first}: a file written there is not seen here."


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(
            [Shared.SHARED, Shared.MISSING, Shared.PLAIN, Shared.SEPARATE, Shared.READONLY],
            [
                ("shared_path", 1, MISSING),
                ("shared_path", 2, forgotten(0)),
                ("shared_path", 4, READONLY),
                ("shared_same", 3, other(0)),
            ],
            id="all-kinds-but-rank-0",
        ),
        pytest.param([Shared.PLAIN, Shared.PLAIN], [("shared_path", 0, PLAIN), ("shared_path", 1, PLAIN)], id="plain"),
        pytest.param([Shared.PLAIN, Shared.SHARED], [("shared_path", 0, forgotten(1))], id="mount-not-on-rank-0"),
        pytest.param([Shared.MISSING, Shared.SHARED], [("shared_path", 0, MISSING)], id="missing-on-rank-0"),
        pytest.param([Shared.READONLY, Shared.SHARED], [("shared_path", 0, READONLY)], id="readonly-on-rank-0"),
        pytest.param([Shared.SEPARATE, Shared.SEPARATE], [("shared_same", 1, other(0))], id="separate-mounts"),
    ],
)
def test_launch_when_the_shared_path_is_wrong_then_its_kind_is_told(
    make_cluster: MakeCluster, tmp_path: Path, nodes: list[Shared], expected: list[tuple[str, int, str]]
) -> None:
    """The host that is wrong has the finding, with a message for that kind; nothing is started and nothing stays."""
    cluster = make_cluster(len(nodes), overrides={n: NodeOptions(shared=shared) for n, shared in enumerate(nodes)})
    done = launch(cluster, tmp_path, "--model", "demo_train")
    assert (done.returncode, found(done, cluster)) == (PREFLIGHT_FAILED, expected)
    assert done.of("start") == []
    assert [traces(node) for node in cluster.nodes] == [[]] * len(nodes)


def test_launch_when_no_shared_path_is_wanted_then_a_missing_one_is_no_finding(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    """An empty setting means none: neither check has anything to say."""
    cluster = make_cluster(2, NodeOptions(shared=Shared.MISSING))
    done = launch(cluster, tmp_path, "--model", "demo_train", "--check-only", "--shared-data-path", "")
    assert (done.returncode, done.findings) == (0, [])
