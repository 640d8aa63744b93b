# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret values are found in every form in which madengine writes them."""

from __future__ import annotations

import json
import shlex

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _masking

ODD = 'it\'s "a" \\ tok$n é'


@pytest.mark.parametrize(
    "written",
    [ODD, json.dumps(ODD), json.dumps(ODD, ensure_ascii=False), repr(ODD), shlex.quote(ODD)],
    ids=["plain", "json", "json-utf8", "python", "shell"],
)
def test_masked_when_a_value_is_written_in_any_form_then_it_is_gone(written: str) -> None:
    """Nothing of an odd value stays but the quotes around it."""
    shown = _masking.masked(f"--env TOKEN={written} end", _masking.forms([ODD]))
    assert shown.replace('"', "").replace("'", "") == "--env TOKEN=******** end"


def test_masked_when_a_value_is_nested_then_texts_change_and_nothing_else() -> None:
    """Numbers, names of keys and short values stay."""
    outcome = {"lines": ["a secret-1", "b"], "secret-1": 1, "code": None, "n": "yes"}
    assert _masking.masked(outcome, _masking.forms(["secret-1", "yes"])) == {
        "lines": ["a ********", "b"],
        "secret-1": 1,
        "code": None,
        "n": "yes",
    }


def test_forms_when_one_value_is_part_of_another_then_the_longer_is_masked_first() -> None:
    """No rest of the longer one stays."""
    assert _masking.masked("secret-1-long", _masking.forms(["secret-1", "secret-1-long"])) == "********"
