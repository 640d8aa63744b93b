# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures that the faults are measured by: each is kept, printed at the end, and held against its bar."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# One file for all processes of a parallel pytest, which share their parent or are it.
_FIGURES = Path(tempfile.gettempdir()) / f"madlaunch-figures-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"


def measured(what: str, seconds: float, bar_s: float) -> None:
    """Keep a figure, and fail if it is above its bar (both in seconds)."""
    with _FIGURES.open("a", encoding="utf-8") as stream:
        stream.write(f"{what}: {seconds:.1f} s (at most {bar_s:.0f} s)\n")
    assert seconds <= bar_s, f"{what}: {seconds:.1f} s, the bar is {bar_s:.0f} s"


def read_figures() -> list[str]:
    """Return the figures that were kept, and forget them."""
    if not _FIGURES.exists():
        return []
    lines = _FIGURES.read_text(encoding="utf-8").splitlines()
    _FIGURES.unlink()
    return lines
