# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a rank that somebody else has followed before: what is there stays, what is missing is added.

Private to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.madlaunch.multinode.plugins.plugin_utils._follow import RankLog

if TYPE_CHECKING:
    from pathlib import Path


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


@dataclass
class KnownLog(RankLog):
    """A log that is read from its first byte again, and of which only what the file lacks is written.

    The node only ever appends to its log, and whoever wrote the file took it from there in order. So the file is the
    beginning of the log, and a launcher that was killed in the middle of a line did no harm.
    """

    there_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """See how much of the log is in the file."""
        self.there_bytes = size_of(self.path)

    def append(self, data: bytes) -> None:
        """Take the next `data` of the log; write the part that is not in the file yet."""
        known = min(len(data), max(0, self.there_bytes - self.size_bytes))
        self.size_bytes += known
        super().append(data[known:])
