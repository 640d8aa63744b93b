# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for docker that keeps containers as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# `ps` lists the files, `inspect` joins them, `rm` removes them, `top` and `exec` are made up; a file
# `refuse` or `hang` beside them does as it says.
DOCKER = """#!/bin/sh
cd "{folder}" || exit 1
[ -e hang ] && sleep 300
case "$1" in
  ps) ls containers ;;
  inspect)
    shift 3; printf '['; between=
    for id; do [ -e "containers/$id" ] && printf '%s' "$between" && cat "containers/$id" && between=,; done
    printf ']' ;;
  top) echo PID COMMAND; echo "1 train in $2" ;;
  exec) [ "$3 $4" = 'sh -c' ] && echo "asked in $2" ;;
  rm)
    shift 2
    [ -e refuse ] && echo 'cannot remove: device or resource busy' >&2 && exit 1
    for id; do rm -f "containers/$id"; done ;;
esac
"""


@dataclass
class FakeDocker:
    """The folder of the stand-in."""

    folder: Path

    def add(self, name: str, **described: object) -> None:
        """Make a container that `inspect` describes like this."""
        (self.folder / "containers" / name).write_text(json.dumps({"Id": name, **described}))

    def names(self) -> list[str]:
        """Return the containers that are there."""
        return sorted(path.name for path in (self.folder / "containers").iterdir())


def install(folder: Path) -> FakeDocker:
    """Make the program `<folder>/bin/docker`, and no containers yet."""
    (folder / "containers").mkdir(parents=True)
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(folder=folder))
    program.chmod(0o755)
    return FakeDocker(folder)


def mount(source: str) -> dict[str, Any]:
    """Return how a container is described that mounts `source`."""
    return {"HostConfig": {"Binds": [f"{source}:/myworkspace/"]}, "Mounts": [{"Source": source}]}
