# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables given under a name that is nearly one of ours."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _given
from ansible_collections.madlaunch.multinode.plugins.module_utils._plan import PlanError

OURS = ("timeout_s", "grace_s", "skip_checks", "container_env", "container_env_secret", "model", "log_dir", "target")


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("timeout", 60, "timeout_s"),
        ("timeouts", 60, "timeout_s"),
        ("skip_check", "gpus", "skip_checks"),
        ("env", {"A": "b"}, "container_env"),
        ("env_file", "x.env", "container_env_secret"),
        ("logdir", "/x", "log_dir"),
    ],
)
def test_check_when_a_name_is_nearly_ours_then_it_is_refused(name: str, value: object, meant: str) -> None:
    """The error names the variable that is meant."""
    with pytest.raises(PlanError) as caught:
        _given.check({name: value}, OURS)
    assert (caught.value.option, caught.value.hint.split()[1]) == (name, meant)


@pytest.mark.parametrize(
    "extra_vars",
    [{"model": "m", "target": "x"}, {"awx_model": 1, "tower_timeout_s": 1, "ansible_timeout": 1}, {"env": "prod"}],
    ids=["ours", "of-awx-and-ansible", "of-others"],
)
def test_check_when_names_are_ours_or_others_then_nothing_is_said(extra_vars: dict[str, Any]) -> None:
    """A variable that serves something else does not stop a launch."""
    _given.check(extra_vars, OURS)
