# SPDX-License-Identifier: GPL-3.0-or-later
"""A docker for test nodes that keeps its containers as files; one of them may refuse to be removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cluster.options import LOGIN

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.nodes import Node

FOLDER = "containers"
PATH = f"/home/{LOGIN}/bin"
# `run NAME DIRECTORY` makes one; `stubborn` in its name makes `rm` fail for it. The rest is what is asked of a docker.
_PROGRAM = r"""#!/usr/bin/python3
import json, os, sys
folder = os.path.join(os.path.expanduser("~"), "containers")
os.makedirs(folder, exist_ok=True)
verb, words = sys.argv[1], [word for word in sys.argv[2:] if not word.startswith("-") and word != "container"]
if verb == "run":
    name, directory = words
    described = {"Id": name, "Name": name, "Mounts": [{"Source": directory}], "Config": {"Env": []}}
    with open(os.path.join(folder, name), "w") as stream:
        json.dump({**described, "HostConfig": {}, "Created": "2026-01-01T00:00:00Z"}, stream)
elif verb == "ps":
    print("\n".join(sorted(os.listdir(folder))))
elif verb == "inspect":
    print(json.dumps([json.load(open(os.path.join(folder, name))) for name in words]))
elif verb == "rm":
    for name in words:
        if "stubborn" in name:
            sys.exit("cannot remove container: device or resource busy")
        os.unlink(os.path.join(folder, name))
else:
    sys.exit(f"unknown: {verb}")
"""
# A madengine that starts two containers of its own before it does its work; `other` is somebody else's.
STARTS_CONTAINERS = f"""
{PATH}/docker run "mine-$MADLAUNCH_NODE_RANK" "$PWD"
[ "$MADLAUNCH_NODE_RANK" != 0 ] || {PATH}/docker run "$FIRST_NAME-$MADLAUNCH_NODE_RANK" "$PWD"
exec madengine "$@"
"""


def install(cluster: Cluster) -> None:
    """Put the program onto every node, and a container there that no run has made."""
    for node in cluster.nodes:
        folder = node.home / "bin"
        folder.mkdir()
        (folder / "docker").write_text(_PROGRAM)
        (folder / "docker").chmod(0o755)
        node.exec(["su", LOGIN, "-c", f"{PATH}/docker run other /somewhere/else"])


def containers(node: Node) -> list[str]:
    """Return the names of the containers of a node."""
    folder = node.home / FOLDER
    found = [json.loads(path.read_text())["Name"] for path in folder.iterdir()] if folder.exists() else []
    return sorted(found)
