# SPDX-License-Identifier: GPL-3.0-or-later
"""What the environment and a configuration file give; both end as the same texts that flags give.

A configuration file is YAML. Its scalars are taken as they are written, not as YAML would type them, so
``nccl_interface: 1.10`` and ``ssh_user: yes`` mean what they say.
"""

from __future__ import annotations

import difflib
import os
import shlex
from typing import TYPE_CHECKING, Any

import yaml

from madlaunch.errors import SettingError
from madlaunch.settings_model import ENVIRONMENT_PREFIX, Given, Setting, Source, Strength

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_NULL_TAG = "tag:yaml.org,2002:null"
_OTHER_VARIABLES = frozenset({"MADLAUNCH_RUN_ID", "MADLAUNCH_NODE_RANK", "MADLAUNCH_STATE_DIR"})
"""No settings: the supervisor marks the processes of a job with the first two; ``runs`` reads the third."""


def from_environment(table: Iterable[Setting[Any]], environ: Mapping[str, str]) -> dict[str, Given]:
    """Return what ``MADLAUNCH_*`` variables give, by setting name; a list is split like a shell's words.

    Raises:
        SettingError: the words of a list cannot be told apart.

    """
    given = {}
    for setting in table:
        text = environ.get(setting.env_name)
        if text is None:
            continue
        source = Source(Strength.ENVIRONMENT, f"environment variable {setting.env_name}")
        texts = _shell_words(setting, text, source) if setting.kind == "list" else (text,)
        if texts:
            given[setting.name] = Given(texts, source)
    return given


def _shell_words(setting: Setting[Any], text: str, source: Source) -> tuple[str, ...]:
    """Return the words of a list in an environment variable."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        reason = f"the words cannot be told apart: {error}"
        raise setting.refuse(reason, source, allowed="words as in a shell, quotes closed") from error


def misspelled_variables(table: Iterable[Setting[Any]], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for every ``MADLAUNCH_*`` variable that looks like a setting and is none."""
    known = {setting.env_name.removeprefix(ENVIRONMENT_PREFIX): setting.env_name for setting in table}
    strange = sorted(
        name
        for name in environ
        if name.startswith(ENVIRONMENT_PREFIX) and name not in {*known.values(), *_OTHER_VARIABLES}
    )
    return tuple(
        f"environment variable {name} is not a setting and was ignored; {known[near]} is one"
        for name in strange
        for near in difflib.get_close_matches(name.removeprefix(ENVIRONMENT_PREFIX), known, n=1, cutoff=0.8)
    )


def from_file(settable: Mapping[str, Setting[Any]], config: Setting[str], given: Given, cwd: Path) -> dict[str, Given]:
    """Return what the configuration file gives, by setting name.

    Raises:
        SettingError: the file cannot be read, is not a YAML mapping, or has a key that is no setting.

    """
    name = config.read(given)
    if not name:
        return {}
    path = cwd / os.path.expanduser(name)  # noqa: PTH111 - Path.expanduser raises where this leaves the text alone
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeError) as error:
        cause = error.strerror or "it cannot be read" if isinstance(error, OSError) else "it is not UTF-8"
        reason = f"{name!r}: {cause}"
        raise config.refuse(reason, given.source) from error
    except yaml.YAMLError as error:
        reason = f"{name!r} is not YAML: {' '.join(str(error).split())}"
        raise config.refuse(reason, given.source) from error
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        reason = f"{name!r} is not a mapping"
        raise config.refuse(reason, given.source, allowed="lines of the form 'master_port: 5000'")
    return _read_mapping(settable, config, root, name)


def _read_mapping(
    settable: Mapping[str, Setting[Any]], config: Setting[str], root: yaml.MappingNode, file_name: str
) -> dict[str, Given]:
    """Return what the keys of the file give."""
    found: dict[str, Given] = {}
    for key_node, value_node in root.value:
        key = str(key_node.value)
        place = f"{file_name} line {key_node.start_mark.line + 1}, key {key}"
        name = key.replace("-", "_")
        if name not in settable or name == config.name:
            raise _unknown_key(key, place, [other for other in settable if other != config.name])
        source = Source(Strength.FILE, place)
        if name in found:
            reason = "the key is there twice"
            raise settable[name].refuse(reason, source, next_step="remove one of the two lines")
        texts = _texts(settable[name], value_node, source)
        if texts is not None:
            found[name] = Given(texts, source)
    return found


def _unknown_key(key: str, place: str, known: list[str]) -> SettingError:
    """Return the error for a key that is no setting."""
    near = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
    next_step = f"did you mean {near[0]}?" if near else "launcher.py run --help lists the settings"
    msg = f"{key!r} is not a setting (from {place})"
    return SettingError(msg, allowed="the names of the long flags, with '_'", next_step=next_step)


def _texts(setting: Setting[Any], node: yaml.Node, source: Source) -> tuple[str, ...] | None:
    """Return the texts of a value; None for a key without a value, which gives nothing."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag == _NULL_TAG:
            return None
        return (str(node.value),)
    if setting.kind == "list" and isinstance(node, yaml.MappingNode):
        return _pairs(setting, node, source)
    if isinstance(node, yaml.SequenceNode):
        texts = tuple(_scalar(setting, item, source) for item in node.value)
        if setting.kind == "list":
            return texts or None
        if setting.name == "nodes":
            return (",".join(texts),)
    reason = "lists and mappings are not taken"
    raise setting.refuse(reason, source, allowed="one value on the line")


def _pairs(setting: Setting[Any], node: yaml.MappingNode, source: Source) -> tuple[str, ...] | None:
    """Return ``NAME: VALUE`` pairs as ``NAME=VALUE`` texts."""
    if setting.name != "env":
        reason = "a mapping is not taken"
        raise setting.refuse(reason, source, allowed="one value, or a list")
    return tuple(f"{_scalar(setting, key, source)}={_scalar(setting, value, source)}" for key, value in node.value)


def _scalar(setting: Setting[Any], node: yaml.Node, source: Source) -> str:
    """Return the text of one element of a list or mapping."""
    if not isinstance(node, yaml.ScalarNode):
        reason = "a list within a list is not taken"
        raise setting.refuse(reason, source, allowed="one value on each line")
    return str(node.value)
