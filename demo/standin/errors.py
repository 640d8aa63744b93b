# SPDX-License-Identifier: GPL-3.0-or-later
"""How the stand-in fails where the real tool would not."""

from __future__ import annotations

EXIT_UNSUPPORTED = 70


class UnsupportedError(BaseException):
    """The real tool can do this and the stand-in cannot.

    Not an Exception: the places that make a failed model of every exception, as the real tool does, must not catch it.
    """
