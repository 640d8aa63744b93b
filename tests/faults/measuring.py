# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures that the faults are measured by: each is kept, and printed at the end beside its bar."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# One file for all processes of a parallel pytest: the workers are children of the one that prints it.
_PRINTS = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
_FIGURES = Path(tempfile.gettempdir()) / f"madlaunch-figures-{_PRINTS}"


def measured(what: str, seconds: float, bar_s: float) -> None:
    """Keep a figure with its bar (both in seconds); a busy machine may take twice as long, more is a failure."""
    above = "" if seconds <= bar_s else ", ABOVE ITS BAR"
    printed(f"{what}: {seconds:.1f} s (at most {bar_s:.0f} s){above}")
    assert seconds <= 2 * bar_s, f"{what}: {seconds:.1f} s, the bar is {bar_s:.0f} s"


def printed(line: str) -> None:
    """Keep a line for the end of the output."""
    with _FIGURES.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def read_figures() -> list[str]:
    """Return the figures that were kept, and forget them."""
    if not _FIGURES.exists():
        return []
    lines = _FIGURES.read_text(encoding="utf-8").splitlines()
    _FIGURES.unlink()
    return lines
