# SPDX-License-Identifier: GPL-3.0-or-later
"""The request to stop a run, left where the followers of the collection look for it.

The same file, in the two forms that ``ControlDir`` of the collection reads: a file of JSON, or a symbolic link whose
target is that JSON, which needs no room on a full disk.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = json.dumps({"reason": "interrupt"}, separators=(",", ":"))


def leave(control: Path) -> str:
    """Ask all ranks to stop; a request that is there already stays as it is. Return '' or why they cannot be asked.

    Args:
        control: the folder in which the followers of the run look.

    """
    stop, draft = control / "stop", control / ".interrupt"
    try:
        control.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_text(_TEXT, encoding="utf-8")
        # A link of a whole file: readers never see half of it.
        with suppress(FileExistsError):
            stop.hardlink_to(draft)
        draft.unlink()
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        return _named(stop)
    return ""


def _named(stop: Path) -> str:
    """Leave the request as a link on a full disk: its target lies in the folder itself."""
    try:
        stop.symlink_to(_TEXT)
    except FileExistsError:
        return ""
    except OSError as error:
        return f"{stop}: {error.strerror}"
    return ""
