# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch one distributed MAD Engine training over SSH on many hosts."""

from __future__ import annotations

__version__ = "0.1.0"
