# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take secret values out of what a rank printed: madengine prints its context and its docker command, values included.

Private to the collection. Pure.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "********"
# A shorter value (a 1, a yes) would blot out ordinary text.
SHORTEST = 6


def forms(values: Iterable[str]) -> tuple[str, ...]:
    """Return how the values may stand in a log, longest first: plain, and as JSON, Python or a shell have them."""
    long_enough = [value for value in values if len(value) >= SHORTEST]
    found = {form for value in long_enough for form in _written(value)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _written(value: str) -> tuple[str, ...]:
    return (
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        shlex.quote(value),
    )


def masked(value: Any, secrets: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value in, any JSON value out
    """Return a JSON value in which every text has the mask in place of each of the `secrets` (see `forms`)."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {name: masked(item, secrets) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item, secrets) for item in value]
    return value
