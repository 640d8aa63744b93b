# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that did not arrive as they were typed: answers to a survey, and unquoted values of a YAML file.

A blank answer of an AWX survey arrives as an empty text with ansible-core 2.18 and as nothing with 2.19 and newer,
where `1.10` also arrives as the number 1.1, `no` as false, `0755` as 493 and `12:30` as 750
(https://github.com/ansible/awx/issues/16205). What can be taken back is; what cannot is refused, since it would be
another value than the one that was meant. A text that begins with `MARK` is taken for nothing else, wherever it passes;
the mark is no part of the value. The credential types of awx/setup.yml put it before each secret.

Private to the collection. Pure.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._plan import PlanError

MARK = "madlaunch_text:"
# Variables with the environment of the containers; each of their values is a text.
_ENVIRONMENTS = ("container_env", "container_env_secret")
# Texts in which a whole number is a number, and can have been meant as nothing else.
_OF_NUMBERS = ("show_ranks",)
_OTHER_TYPES = (bool, float, dt.date)
# Named one by one: with ansible-core before 2.19 a text out of a vault is of a type that is neither text nor these.
_NO_TEXTS = (*_OTHER_TYPES, type(None), list, dict)
_QUOTE = "It was taken for another type than text. Quote it in the file or the extra variables that it comes from."
_MARK_IT = (
    f"AWX lets answers be taken for other types than text (0755 for 493). Type {MARK} before the answer, without a "
    f"space: {MARK}0755. In an inventory, and in the extra variables of the template, quotes do."
)
_MARK_SECRET = (
    f"Quote it where it is written; a credential type of AWX has to put {MARK} before it, as those do that "
    "awx/setup.yml makes."
)
_LINES = "Give one NAME=VALUE a line."


@dataclass(frozen=True)
class _Place:
    """What a text is called in an error, whether an error may show it, and whether AWX brought it."""

    option: str
    called: str
    in_awx: bool
    secret: bool = False

    def text(self, value: Any) -> Any:  # noqa: ANN401 - any type in, and mostly the same out
        """Return a text without its mark. Raises `PlanError` for what may have been another text."""
        if isinstance(value, str):
            return value.removeprefix(MARK)
        # A whole number is what a file says; under AWX it may have been 0755, 1_000 or 12:30, and nobody can tell.
        number = isinstance(value, int) and (self.in_awx or self.secret) and self.option not in _OF_NUMBERS
        if not number and not isinstance(value, _NO_TEXTS):
            return value
        if self.secret:
            raise PlanError(self.option, f"{self.called} did not arrive as text.", _MARK_SECRET)
        hint = _MARK_IT if self.in_awx else _QUOTE
        raise PlanError(self.option, f"{self.called} arrived as {value!r}, not as text.", hint)


def settle(spec: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], *, in_awx: bool = False) -> dict[str, Any]:
    """Return the arguments of a task with blank answers as what they mean, by the argument `spec` of its action.

    A blank text is empty, a blank anything else is not given. Raises `PlanError` for a text that was taken for another
    type; in AWX that is so for every whole number.
    """
    settled: dict[str, Any] = {}
    for name, value in given.items():
        option = spec.get(name, {})
        if option.get("type") == "dict" and "options" in option and isinstance(value, Mapping):
            settled[name] = settle(option["options"], value, in_awx=in_awx)
        elif not _is_blank(option, value):
            settled[name] = _settled(name, option, value, in_awx=in_awx)
        elif option.get("type") == "str" and "choices" not in option:
            settled[name] = ""
    return settled


def _is_blank(option: Mapping[str, Any], value: object) -> bool:
    return value is None or (value == "" and (option.get("type") != "str" or "choices" in option))


def _settled(name: str, option: Mapping[str, Any], value: Any, *, in_awx: bool) -> Any:  # noqa: ANN401 - as `_Place`
    kind = option.get("type")
    if kind == "str":
        # The choices tell whether a whole number is one of them.
        return _Place(name, name, in_awx and "choices" not in option).text(value)
    if kind == "list" and isinstance(value, str):
        return [word.strip() for word in value.replace(",", "\n").splitlines() if word.strip()]
    if kind == "dict" and name in _ENVIRONMENTS:
        secret = bool(option.get("no_log"))
        # The numbers of a JSON object are what was typed: it has no other forms of them.
        in_awx = in_awx and not isinstance(value, str)
        variables = _environment(name, value, secret=secret) if isinstance(value, str) else value
        return _texts(name, variables, in_awx=in_awx, secret=secret)
    return value


def _texts(name: str, variables: Any, *, in_awx: bool, secret: bool) -> Any:  # noqa: ANN401 - checked by Ansible
    """Return the variables of an environment, each value as it was meant."""
    if not isinstance(variables, Mapping):
        return variables
    return {
        variable: _Place(name, f"{variable} of {name}", in_awx, secret).text(value)
        for variable, value in variables.items()
    }


def _environment(name: str, text: str, *, secret: bool) -> dict[str, Any]:
    """Return the variables of a text: one NAME=VALUE a line, or a JSON object."""
    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError as error:
            raise PlanError(name, f"{name} is no JSON object ({error}).", _LINES) from error
    pairs = [line.strip().partition("=") for line in text.splitlines() if line.strip()]
    wrong = next((variable for variable, equals, _value in pairs if not equals), None)
    if wrong is not None:
        shown = "." if secret else f": {wrong!r}."
        raise PlanError(name, f"{name} has a line without '='{shown}", _LINES)
    return {variable: value for variable, _equals, value in pairs}
