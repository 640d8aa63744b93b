# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX demands of a survey (JobTemplateSurveySpec of its API), and how its types go with those of Ansible."""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (int, float),
}
_CHOOSING = {"multiplechoice", "multiselect"}
_ITEM_KEYS = {"question_name", "question_description", "variable", "type", "required"}
_OPTIONAL_KEYS = {"default", "min", "max", "choices"}
# Which option types of a role take the answers to a question.
OPTION_TYPES = {
    "text": {"str"},
    "textarea": {"str", "dict"},
    "integer": {"int"},
    "multiplechoice": {"str", "bool"},
    "multiselect": {"list"},
}


def faults(survey: Any) -> list[str]:  # noqa: ANN401 - whatever a file holds is judged
    """Return why AWX would refuse a survey."""
    if not isinstance(survey, dict) or set(survey) != {"name", "description", "spec"}:
        return ["it does not have name, description and spec, and nothing else"]
    found = [f"{name} is no text" for name in ("name", "description") if not isinstance(survey[name], str)]
    if not isinstance(survey["spec"], list) or not survey["spec"]:
        return [*found, "spec is no list with something in it"]
    variables = [item.get("variable") for item in survey["spec"]]
    found += [f"{name} is asked twice" for name in variables if variables.count(name) > 1]
    return found + [f"{item.get('variable')}: {fault}" for item in survey["spec"] for fault in _item_faults(item)]


def _item_faults(item: dict[str, Any]) -> list[str]:
    kind = item.get("type")
    if kind not in _TYPES:
        return [f"type {kind!r}"]
    checks = {
        "keys": _ITEM_KEYS <= set(item) <= _ITEM_KEYS | _OPTIONAL_KEYS,
        "texts": all(isinstance(item.get(name), str) for name in _ITEM_KEYS - {"required"}),
        "required": isinstance(item.get("required"), bool),
        "limits": all(isinstance(item.get(name), int | None) for name in ("min", "max")),
        "choices": ("choices" in item) == (kind in _CHOOSING)
        and all(isinstance(c, str) for c in item.get("choices", [])),
        "default": _default_fits(item),
    }
    return [name for name, holds in checks.items() if not holds]


def _default_fits(item: dict[str, Any]) -> bool:
    default = item.get("default", "")
    if default == "":
        # A question that must be answered and has a blank default would be answered with nothing by a schedule.
        return not (item["required"] and "default" in item)
    if isinstance(default, bool) or not isinstance(default, _TYPES[item["type"]]):
        return False
    if item["type"] in _CHOOSING:
        return all(word in item.get("choices", []) for word in str(default).splitlines())
    size = default if isinstance(default, int | float) else len(str(default))
    return bool((item.get("min") or 0) <= size <= item.get("max", size))
