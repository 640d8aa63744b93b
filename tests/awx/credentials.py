# SPDX-License-Identifier: GPL-3.0-or-later
"""What a credential of a type of ours adds to the variables of a job, as AWX fills the injectors of the type in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping


def injected(made: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the extra variables of a credential with these inputs; `made` are the arguments of its type.

    AWX writes them `!unsafe`, as it does with answers.
    """
    return {name: _filled(value, inputs) for name, value in made["injectors"]["extra_vars"].items()}


def _filled(value: Any, inputs: Mapping[str, str]) -> Any:  # noqa: ANN401 - a text, or a dict of them
    if isinstance(value, dict):
        return {name: _filled(item, inputs) for name, item in value.items()}
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(value).render(inputs)
