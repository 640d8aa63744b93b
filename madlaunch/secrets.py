# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that must never be displayed: the type that hides them, and the set of one launch."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import NoReturn

MASK = "********"


class Secret:
    """A text that shows itself only through :meth:`reveal`; ``str``, ``repr`` and formats are masked."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hide ``text``."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; every call is a place to look at in a review."""
        return self._text

    def __repr__(self) -> str:
        """Return the mask, whatever the text is."""
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Return the mask in the asked width."""
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        """Compare by text, in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        """Hash by text."""
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        """Refuse pickling: a pickle would carry the text into a file or another process."""
        msg = "a Secret is not written to files and not sent to other processes"
        raise TypeError(msg)


@dataclass(frozen=True)
class Secrets:
    """What one launch keeps to itself."""

    ssh_password: Secret | None = None
    container_env: dict[str, Secret] = field(default_factory=dict)
    """Values of ``--env-file``, by variable name; they also travel in the extra variables."""

    def texts(self) -> tuple[str, ...]:
        """Return the texts that a display has to mask, longest first, without repetition."""
        found = {secret.reveal() for secret in self.container_env.values()}
        if self.ssh_password is not None:
            found.add(self.ssh_password.reveal())
        return tuple(sorted(found - {""}, key=lambda text: (-len(text), text)))
