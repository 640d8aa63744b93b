# SPDX-License-Identifier: GPL-3.0-or-later
"""The troubleshooting guide has a place for whatever a launch may complain of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _findings

from madlaunch import errors

if TYPE_CHECKING:
    from pathlib import Path

EXIT_CODES = sorted(value for name, value in vars(errors).items() if name.startswith("EXIT_"))
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(#([^)]+)\)")


@pytest.fixture(scope="module")
def guide(repository: Path) -> str:
    """The text of the guide."""
    return (repository / "docs/troubleshooting.md").read_text()


def test_exit_codes_are_those_of_the_design() -> None:
    """The list that the next test goes by is not empty by accident."""
    assert EXIT_CODES == [0, 1, 2, 3, 4, 5, 130]


def test_guide_has_a_heading_for_every_check_and_every_exit_code(guide: str) -> None:
    """Whoever searches for a name of the report, or an exit code, finds its section, in the order of the report."""
    headings = HEADING.findall(guide)
    start, end = headings.index("Findings of the preflight"), headings.index("Exit codes")
    # `command` is reported beside the checks, and cannot be left out as they can.
    assert headings[start + 1 : end] == [*_findings.CHECKS, "command"]
    assert headings[end + 1 : end + 1 + len(EXIT_CODES)] == [f"Exit code {code}" for code in EXIT_CODES]


def test_guide_says_something_under_every_heading(guide: str) -> None:
    """No section is empty, but those that only hold others."""
    sections = re.split(r"^#+ (.+)$", guide, flags=re.MULTILINE)
    bodies = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert [name for name, body in bodies.items() if not body.strip()] == ["Findings of the preflight", "Exit codes"]


def test_guide_links_to_headings_that_it_has(guide: str) -> None:
    """A link within the guide leads somewhere, by the names that GitHub gives to headings."""
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(guide)}
    assert set(LINK.findall(guide)) - anchors == set()
