# SPDX-License-Identifier: GPL-3.0-or-later
"""The page "What happens when ..." and the tests of faults have the same rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ROW = re.compile(r"^\|(?P<cells>.+)\| `(?P<name>[a-z0-9-]+)` \|$", re.MULTILINE)
MARK = re.compile(r'^@pytest\.mark\.fault\("([a-z0-9-]+)"\)\n(?:@.*\n)*def test_', re.MULTILINE)
COLUMNS = 3


@pytest.fixture(scope="module")
def rows(repository: Path) -> list[tuple[str, str]]:
    """Name and cells of the rows of the table."""
    text = (repository / "docs" / "what-happens-when.md").read_text()
    return [(match["name"], match["cells"]) for match in ROW.finditer(text)]


@pytest.fixture(scope="module")
def tested(repository: Path) -> list[str]:
    """The names of the tests of faults."""
    files = sorted((repository / "tests" / "faults").glob("test_*.py"))
    return [name for path in files for name in MARK.findall(path.read_text())]


def test_every_row_has_a_test_and_every_test_a_row(rows: list[tuple[str, str]], tested: list[str]) -> None:
    """Neither side has a name twice or alone."""
    assert sorted(name for name, _cells in rows) == sorted(tested)
    assert len(set(tested)) == len(tested) > 0


def test_every_test_of_a_fault_is_marked(repository: Path, tested: list[str]) -> None:
    """No test of a fault is without a row."""
    files = (repository / "tests" / "faults").glob("test_*.py")
    assert sum(path.read_text().count("\ndef test_") for path in files) == len(tested)


def test_every_row_says_what_happens_and_what_is_seen(rows: list[tuple[str, str]]) -> None:
    """The first two cells are never empty; a table with another number of columns is noticed."""
    cells = [[cell.strip() for cell in text.split("|")] for _name, text in rows]
    assert [row for row in cells if len(row) != COLUMNS or not all(row[:2])] == []
