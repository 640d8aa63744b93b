# SPDX-License-Identifier: GPL-3.0-or-later
"""What a setting is, where a value came from, and the settled values of one launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from madlaunch.errors import SettingError
from madlaunch.request import SettingRow

if TYPE_CHECKING:
    from madlaunch.settings_parse import Parser

T = TypeVar("T")

ENVIRONMENT_PREFIX = "MADLAUNCH_"


class Strength(IntEnum):
    """Which source wins: the larger one."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    RECORD = 3
    """What is done with a run again goes to the nodes and logins that it was started with."""
    FLAG = 4


@dataclass(frozen=True)
class Source:
    """Where a value came from."""

    strength: Strength
    place: str
    """``command line``, ``environment variable MADLAUNCH_NODES``, ``launch.yml line 3, key nodes`` or ``default``."""


DEFAULT_SOURCE = Source(Strength.DEFAULT, "default")
FLAG_SOURCE = Source(Strength.FLAG, "command line")


@dataclass(frozen=True)
class Given:
    """The texts that one source gives for one setting."""

    texts: tuple[str, ...]
    source: Source


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One row of the settings table."""

    name: str
    """Key in a configuration file; the flag and the environment variable follow from it."""
    parser: Parser[T]
    default: T
    help: str
    group: str
    scope: Literal["launcher", "run", "host"] = "launcher"
    """``run``: a variable of the playbook, the same for all hosts; ``host``: one that a host may override."""
    kind: Literal["value", "switch", "list"] = "value"
    variable: str = ""
    """The playbook's name of it, if that is another one."""
    metavar: str = "TEXT"
    short: str = ""
    """A second, short flag."""
    positional: bool = False
    """A word of its own instead of a flag; it has no environment variable and no key."""

    @property
    def flag(self) -> str:
        """The long flag: ``--master-port``; of a word of its own its name in the help."""
        if self.positional:
            return self.metavar
        return "--" + self.name.replace("_", "-")

    @property
    def env_name(self) -> str:
        """The environment variable: ``MADLAUNCH_MASTER_PORT``."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def variable_name(self) -> str:
        """The variable of the playbook: ``timeout_s``."""
        return self.variable or self.name

    def read(self, given: Given) -> T:
        """Return the value of the given texts.

        Raises:
            SettingError: names the flag, the reason, the source and the allowed form.

        """
        try:
            return self.parser.parse(given.texts)
        except ValueError as error:
            raise self.refuse(str(error), given.source) from error

    def refuse(self, reason: str, source: Source, *, allowed: str = "", next_step: str = "") -> SettingError:
        """Return the error for a value of this setting that cannot be used."""
        msg = f"{self.flag}: {reason} (from {_with_article(source.place)})"
        return SettingError(msg, allowed=allowed or self.parser.allowed, next_step=next_step or self._advice(source))

    def _advice(self, source: Source) -> str:
        """Return what to do about a value from ``source``."""
        if source.strength is Strength.FLAG:
            return f"correct {self.flag}; launcher.py run --help explains it"
        if source.strength is Strength.ENVIRONMENT:
            return f"correct or unset {self.env_name}; {self.flag} would overrule it"
        return f"correct it there; {self.flag} would overrule it"

    def show(self, value: T) -> str:
        """Return the value for a display, '' for nothing at all; a secret masks itself."""
        if value is None or value in ("", (), {}):
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple):
            return ", ".join(value)
        if isinstance(value, Mapping):
            return ", ".join(f"{name}={text}" for name, text in value.items())
        return str(value)


def _with_article(place: str) -> str:
    """Return ``the command line`` for ``command line``; places in files have none."""
    return f"the {place}" if place == FLAG_SOURCE.place else place


@dataclass(frozen=True)
class Settled(Generic[T]):
    """A value and its source."""

    value: T
    source: Source
    texts: tuple[str, ...] = ()
    """What was given, as it was given."""


class Settings:
    """The settled values of one launch; ``settings[MASTER_PORT]`` is typed."""

    def __init__(self, table: tuple[Setting[Any], ...], settled: Mapping[str, Settled[Any]]) -> None:
        """Keep one settled value per row of ``table``."""
        self._table = table
        self._settled = dict(settled)

    def __getitem__(self, setting: Setting[T]) -> T:
        """Return the value of ``setting``."""
        return cast("T", self._settled[setting.name].value)

    def source(self, setting: Setting[Any]) -> Source:
        """Return where the value of ``setting`` came from."""
        return self._settled[setting.name].source

    def texts(self, setting: Setting[Any]) -> tuple[str, ...]:
        """Return the texts that ``setting`` was given; nothing for a default."""
        return self._settled[setting.name].texts

    def is_given(self, setting: Setting[Any]) -> bool:
        """Tell whether anybody gave the value, even if it equals the default."""
        return self.source(setting).strength > Strength.DEFAULT

    def of_scope(self, scope: Literal["run", "host"], *, only_given: bool) -> dict[str, Any]:
        """Return the values of one scope by the playbook's names; ``only_given`` leaves out the defaults."""
        return {
            setting.variable_name: self[setting]
            for setting in self._table
            if setting.scope == scope and (self.is_given(setting) or not only_given)
        }

    def refuse(self, setting: Setting[Any], reason: str, *, allowed: str = "", next_step: str = "") -> SettingError:
        """Return the error for the settled value of ``setting``, with its source."""
        return setting.refuse(reason, self.source(setting), allowed=allowed, next_step=next_step)

    def rows(self) -> tuple[SettingRow, ...]:
        """Return every setting for a display, secrets masked."""
        return tuple(
            SettingRow(setting.name, setting.show(self[setting]), self.source(setting).place, setting.group)
            for setting in self._table
        )
