# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of a MAD checkout, and which of them a list of tags means."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable, Dict

from standin.errors import UnsupportedError

Model = Dict[str, Any]


def all_models(*, scoped_tags: bool) -> list[Model]:
    """Return the models of models.json and scripts/*/models.json in the working directory.

    Args:
        scoped_tags: Whether the tags of a model below scripts/ get its directory in front (v1).

    Raises:
        FileNotFoundError: There is no models.json, or no scripts directory.
    """
    if not Path("models.json").exists():
        message = "models.json file not found."
        raise FileNotFoundError(message)
    models: list[Model] = json.loads(Path("models.json").read_text())
    for name in os.listdir("scripts"):  # noqa: PTH208 - the order of the directory, as the real tool
        folder = Path("scripts", name)
        if (folder / "get_models_json.py").exists():
            message = f"{folder}/get_models_json.py: models made by a program are not supported"
            raise UnsupportedError(message)
        if (folder / "models.json").exists():
            models += [
                _below(name, model, scoped_tags=scoped_tags)
                for model in json.loads((folder / "models.json").read_text())
            ]
    return models


def _below(folder: str, model: Model, *, scoped_tags: bool) -> Model:
    prefix = os.path.join("scripts", folder)  # noqa: PTH118 - the result is text in a JSON document
    moved = dict(model, name=f"{folder}/{model['name']}")
    for key in ("dockerfile", "scripts"):
        moved[key] = os.path.normpath(os.path.join(prefix, model[key]))  # noqa: PTH118
    if scoped_tags:
        moved["tags"] = [os.path.normpath(os.path.join(folder, tag)) for tag in model.get("tags", [])]  # noqa: PTH118
    return moved


def select_v1(models: list[Model], tags: list[str]) -> list[Model]:
    """Return the models each tag means, in the order of the tags.

    Raises:
        ValueError: A tag means no model.
    """
    return _select(models, tags, lambda model, name, tag: model["name"] == name or tag in model["tags"] or tag == "all")


def select_v2(models: list[Model], tags: list[str]) -> list[Model]:
    """Return the models each tag means; `scope/tag` means models below scripts/scope.

    Raises:
        ValueError: A tag means no model.
    """
    return _select(models, tags, _matches_v2)


def _matches_v2(model: Model, name: str, tag: str) -> bool:
    scope, slash, wanted = tag.partition("/")
    if slash and scope and wanted and "/" not in wanted and ":" not in tag:
        inside = model["name"].startswith(f"{scope}/")
        return inside and (wanted == "all" or _has_tag(model, wanted) or model["name"] == tag)
    return bool(model["name"] == name or _has_tag(model, name) or name == "all")


def _has_tag(model: Model, tag: str) -> bool:
    tags = model.get("tags")
    if isinstance(tags, str):
        return tag in [part.strip() for part in tags.split(",") if part.strip()]
    return tag in (tags or [])


def _select(models: list[Model], tags: list[str], matches: Callable[[Model, str, str], bool]) -> list[Model]:
    selected = []
    for tag in tags:
        name, *extra = [part.strip() for part in tag.split(":") if part.strip()]
        words = "".join(f" --{word.replace('=', ' ')}" for word in extra)
        found = [dict(model, args=model["args"] + words) for model in models if matches(model, name, tag)]
        if not found:
            message = f"No models found corresponding to the given tag: {tag}"
            raise ValueError(message)
        selected += found
    return selected


def dockerfiles(model: Model, listing: str, contexts: dict[str, str]) -> list[str]:
    """Return the files of a listing that the detected context does not rule out.

    Args:
        model: The model, for the message.
        listing: Output of `ls <dockerfile>.*`.
        contexts: The `# CONTEXT` of each file, a Python literal.

    Raises:
        RuntimeError: None is left.
    """
    files = [
        name for name in listing.split("\n") if "'NVIDIA'" not in contexts[name] and "'CENTOS'" not in contexts[name]
    ]
    if not files:
        message = "No dockerfiles matching context found for model " + model["name"]
        raise RuntimeError(message)
    return files
