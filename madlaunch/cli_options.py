# SPDX-License-Identifier: GPL-3.0-or-later
"""Typer's options made from the settings table, and the help in two forms: panels on a terminal, plain text else."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from madlaunch.cli_help import DESCRIPTIONS, EPILOG, default_hint, plain_help
from madlaunch.settings_verbs import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from madlaunch.request import Mode
    from madlaunch.settings_model import Setting


@dataclass(frozen=True)
class Words:
    """What the words of a command line said."""

    verb: Mode
    flags: dict[str, tuple[str, ...]]
    """The texts of the flags that were given, by setting name."""


class _PlainCommand(TyperCommand):
    """A command whose help is plain text, for pipes, files and logs."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typed by what Typer carries inside
        """Write the help as plain text."""
        formatter.write(plain_help(ctx.command_path, str(self.name), settings_of(str(self.name))))


def build_command(verb: str, *, plain: bool) -> tuple[Any, list[Words]]:
    """Return the command of ``verb`` and the list that gets its words when it is run (none if only help was asked)."""
    found: list[Words] = []
    app = typer.Typer(add_completion=False, rich_markup_mode=None if plain else "rich", pretty_exceptions_enable=False)
    rows = settings_of(verb)
    app.command(
        verb,
        cls=_PlainCommand if plain else TyperCommand,
        help=DESCRIPTIONS[verb],
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )(_collector(verb, rows, found))
    return typer.main.get_command(app), found


def _collector(verb: str, rows: tuple[Setting[Any], ...], found: list[Words]) -> Callable[..., None]:
    """Return a function with one parameter per setting; Typer reads its signature to make the options."""

    def collect(**values: Any) -> None:  # noqa: ANN401 - one value per option, of the type that the option has
        flags = {name: _texts(value) for name, value in values.items() if value not in (None, [])}
        found.append(Words(verb, flags))  # type: ignore[arg-type] # VERBS are the modes

    parameters = [
        inspect.Parameter(row.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(row))
        for row in rows
    ]
    collect.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by inspect
    collect.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return collect


def _annotation(row: Setting[Any]) -> Any:  # noqa: ANN401 - a type made at run time
    """Return the annotated type of one option; every option may be missing, the table has the defaults."""
    if row.positional:
        argument = typer.Argument(help=row.help, metavar=f"[{row.metavar}]", show_default=False)
        return Annotated[str | None, argument]
    names = [f"{row.flag}/--no-{row.flag[2:]}" if row.kind == "switch" else row.flag]
    option = typer.Option(
        *names,
        *([row.short] if row.short else []),
        help=row.help + default_hint(row),
        metavar="" if row.kind == "switch" else row.metavar,
        rich_help_panel=row.group,
        show_default=False,
    )
    kinds: dict[str, Any] = {"value": str | None, "list": list[str] | None, "switch": bool | None}
    return Annotated[kinds[row.kind], option]


def _texts(value: str | bool | list[str]) -> tuple[str, ...]:
    """Return the value of an option as the texts that the settings table reads."""
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    return (value,) if isinstance(value, str) else tuple(value)
