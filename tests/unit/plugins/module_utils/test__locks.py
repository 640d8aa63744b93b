# SPDX-License-Identifier: GPL-3.0-or-later
"""Which locks a rank takes on its host."""

from __future__ import annotations

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _locks


@pytest.mark.parametrize(
    ("container_env", "count", "expected"),
    [
        ({}, 8, ["port-4000", "gpus"]),
        ({}, 0, ["port-4000"]),
        ({}, None, ["port-4000"]),
        ({"HIP_VISIBLE_DEVICES": "4, 0,4"}, 8, ["port-4000", "gpu-0", "gpu-4"]),
        ({"CUDA_VISIBLE_DEVICES": 1}, 8, ["port-4000", "gpu-1"]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-1f3c"}, 8, ["port-4000", "gpus"]),
        ({"HIP_VISIBLE_DEVICES": ""}, 8, ["port-4000", "gpus"]),
        ({"HIP_VISIBLE_DEVICES": "0"}, 0, ["port-4000"]),
    ],
    ids=["all", "no-gpus", "unknown", "some", "a-number", "by-id", "empty", "some-of-none"],
)
def test_keys_are_the_port_and_the_gpus_in_use(
    container_env: dict[str, object], count: int | None, expected: list[str]
) -> None:
    """A host without GPUs has none to lock; a choice that cannot be read is taken for all of them."""
    plan = {"master_port": 4000, "container_env": container_env}
    assert _locks.keys(plan, {"gpus": {"count": count, "source": ""}}) == expected


@pytest.mark.parametrize(
    ("key", "other", "expected"),
    [
        ("port-4000", "port-4000", True),
        ("port-4000", "port-4001", False),
        ("gpus", "gpus", True),
        ("gpus", "gpu-3", True),
        ("gpu-3", "gpus", True),
        ("gpu-3", "gpu-3", True),
        ("gpu-3", "gpu-4", False),
        ("gpus", "port-4000", False),
    ],
)
def test_conflicts_when_both_would_use_the_same(key: str, other: str, *, expected: bool) -> None:
    """All GPUs are also each one of them."""
    assert _locks.conflicts(key, other) is expected
