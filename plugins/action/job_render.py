# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the script of one rank without contacting its host."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils._command import CommandError
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _script
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._node_action import HOST_OPTIONS
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._options import task_options

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "dict", "required": True},
    "host": {"type": "dict", "required": True, "options": HOST_OPTIONS},
    "container_env_secret": {"type": "dict", "default": {}, "no_log": True},
}
MAJORS = {"auto": (1, 2), "1": (1,), "2": (2,)}


class ActionModule(ActionBase):
    """Renders what `job` would start, for each version that madengine may have on the host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `scripts` (major version to text), `files` beside them, `commands`, and what is `unknown`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = task_options(self, ARGUMENT_SPEC, task_vars or {})
        name = str((task_vars or {})["inventory_hostname"])
        rank = _script.RankInput(options["plan"], name, options["host"], {}, options["container_env_secret"])
        template = Path(self._find_needle("templates", _script.TEMPLATE))
        rendered: dict[str, Any] = {"scripts": {}, "files": {}, "commands": {}, "refused": {}, "unknown": []}
        for major in MAJORS[rank.plan["madengine_version"]]:
            self._add(rendered, rank, major, template)
        place = {"host": name, "node_rank": rank.plan["hosts"][name]["node_rank"], "settings": options["host"]}
        result.update(changed=False, madlaunch={"kind": "render", **place, **rendered}, **rendered)
        Display().display(shown(place, rendered))
        if not rendered["scripts"]:
            result.update(failed=True, msg="; ".join(dict.fromkeys(rendered["refused"].values())))
        return result

    def _add(self, rendered: dict[str, Any], rank: _script.RankInput, major: int, template: Path) -> None:
        try:
            script = _script.for_show(rank, major, template)
        except CommandError as error:
            rendered["refused"][str(major)] = f"{error.message} {error.hint}"
            return
        rendered["scripts"][str(major)] = script.text
        rendered["files"][str(major)] = script.files
        rendered["commands"][str(major)] = script.shown
        rendered["unknown"] = list(dict.fromkeys([*rendered["unknown"], *script.unresolved]))


def shown(place: dict[str, Any], rendered: dict[str, Any]) -> str:
    """Return what would run on a host for the screen, indented so that no line can be taken for one of a rank."""
    title = f"rank {place['node_rank']} on {place['host']}, madengine v"
    parts = []
    for major, text in rendered["scripts"].items():
        files = [f"# beside it, {name}:\n{content}" for name, content in rendered["files"][major].items()]
        parts += [f"=== {title}{major}", textwrap.indent("\n".join([text.rstrip("\n"), *files]), "  ")]
    parts += [f"=== {title}{major}: cannot run: {reason}" for major, reason in rendered["refused"].items()]
    return "\n".join(parts)
