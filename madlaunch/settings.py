# SPDX-License-Identifier: GPL-3.0-or-later
"""Settle every setting: a flag beats the environment, that beats the ``--config`` file, that beats the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from madlaunch.settings_model import DEFAULT_SOURCE, FLAG_SOURCE, Given, Setting, Settings, Settled, Source, Strength
from madlaunch.settings_sources import from_environment, from_file
from madlaunch.settings_table import CONFIG, TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def resolve(
    flags: Mapping[str, tuple[str, ...]],
    environ: Mapping[str, str],
    cwd: Path,
    recorded: Mapping[str, tuple[str, ...]] | None = None,
) -> Settings:
    """Settle every setting: flag, record, environment, configuration file, default.

    Args:
        flags: the texts of the flags that were given, by setting name.
        environ: the process environment.
        cwd: the directory in which a relative ``--config`` is looked for.
        recorded: the texts that an earlier run was given and that hold for what is done with it now, by setting name.

    Raises:
        SettingError: a value that counts is not allowed, or the file cannot be read.

    """
    named = tuple(setting for setting in TABLE if not setting.positional)
    settable = {setting.name: setting for setting in named}
    given_flags = {name: Given(texts, FLAG_SOURCE) for name, texts in flags.items()}
    given_environ = from_environment(named, environ)
    config = given_flags.get(CONFIG.name) or given_environ.get(CONFIG.name)
    given_file = from_file(settable, CONFIG, config, cwd) if config else {}
    record = Source(Strength.RECORD, "the record of the run")
    given_record = {name: Given(tuple(texts), record) for name, texts in (recorded or {}).items() if name in settable}
    given = given_file | given_environ | given_record | given_flags
    settled = {setting.name: _settle(setting, given.get(setting.name)) for setting in TABLE}
    return Settings(TABLE, settled)


def _settle(setting: Setting[Any], given: Given | None) -> Settled[Any]:
    """Return the value of one setting with its source."""
    if given is None:
        return Settled(setting.default, DEFAULT_SOURCE)
    return Settled(setting.read(given), given.source, given.texts)
