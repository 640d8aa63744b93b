# SPDX-License-Identifier: GPL-3.0-or-later
"""Settled settings and prepared launches for tests: from flags and an environment, as the command line makes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from madlaunch.job import Launch, Surroundings, prepare
from madlaunch.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from madlaunch.request import Mode
    from madlaunch.settings_model import Settings

RUN_ID = "mad-20260102-030405-abcd"
NOWHERE = Path("/nonexistent")

HOSTILE = {
    "quote": "a'b",
    "double-quote": 'a"b',
    "dollar": "a$HOME",
    "command": "a$(id)",
    "backtick": "a`id`",
    "newline": "a\nb",
    "space": "a b",
    "semicolon": "a;id",
    "dash": "-oProxyCommand=id",
    "non-ascii": "é雪",
    "template": "{{ 7*7 }}",
    "percent": "a%h",
    "empty": "",
    "nul": "a\0b",
    "surrogate": "a\udcffb",
}
"""Texts that go wrong where a shell, a template or an option parser reads them, by what they hold."""


def settle(
    environ: Mapping[str, str] | None = None, cwd: Path = NOWHERE, /, **flags: str | tuple[str, ...]
) -> Settings:
    """Return settled settings; a flag with several texts is a tuple, an empty one a flag that is not given."""
    texts = {name: (value,) if isinstance(value, str) else value for name, value in flags.items() if value != ()}
    return resolve(texts, environ or {}, cwd)


def launch(
    verb: Mode = "run", environ: Mapping[str, str] | None = None, cwd: Path = NOWHERE, **flags: str | tuple[str, ...]
) -> Launch:
    """Return the launch of a model called ``tag``; the password that is asked for is ``typed``."""
    settings = settle(environ, cwd, **({"model": "tag"} | flags))
    around = Surroundings(environ or {}, cwd, RUN_ID, Path("/state/runs") / RUN_ID, lambda: "typed")
    return prepare(verb, settings, around)
