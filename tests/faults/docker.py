# SPDX-License-Identifier: GPL-3.0-or-later
"""A docker for test nodes: it shows and removes the containers that the stand-in madengine records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cluster.mounts import NODE_DIR
from tests.cluster.options import NodeOptions

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.nodes import Node

# In memory, one per node, as the containers of a node are: those of one that crashed are gone.
FOLDER = "/tmp/containers"
WITH_DOCKER = NodeOptions(env={"MADENGINE_STANDIN_STATE": FOLDER})
OTHER = "other"
_REFUSES = "refuses"
# What is asked of a docker: `ps -aq`, `inspect` and `rm -f`. Where the file `refuses` is, `rm` fails.
_PROGRAM = f"""#!/usr/bin/python3 -SE
import json, os, signal, sys
folder = "{FOLDER}"
verb, words = sys.argv[1], [word for word in sys.argv[2:] if not word.startswith("-") and word != "container"]

def recorded():
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name)) as stream:
                yield os.path.join(folder, name), json.load(stream)

def described(one):
    mounts, created = [{{"Source": one["mount"]}}], "2026-01-01T00:00:00Z"
    return {{"Id": one["id"], "Mounts": mounts, "Config": {{"Env": []}}, "HostConfig": {{}}, "Created": created}}

def kill(mark):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark in open(f"/proc/{{pid}}/environ", "rb").read().split(b"\\0"):
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass

if verb == "ps":
    print("\\n".join(one["id"] for _, one in recorded()))
elif verb == "inspect":
    print(json.dumps([described(one) for _, one in recorded() if one["id"] in words]))
elif verb == "rm":
    if os.path.exists(os.path.join(folder, "{_REFUSES}")):
        sys.exit("cannot remove container: device or resource busy")
    for path, one in recorded():
        if one["id"] in words:
            kill(f"MADENGINE_STANDIN_CONTAINER={{one['id']}}".encode())
            os.unlink(path)
else:
    sys.exit(f"unknown: {{verb}}")
"""


def install(cluster: Cluster) -> None:
    """Put the program onto every node, and a container there that no run has made."""
    other = json.dumps({"id": OTHER, "name": OTHER, "image": OTHER, "mount": "/somewhere/else"})
    for node in cluster.nodes:
        program = node.path(f"{NODE_DIR}/bin/docker")
        program.write_text(_PROGRAM)
        program.chmod(0o755)
        # Anybody's: docker is another user's process, and the login's own writes the records.
        node.exec(["install", "--directory", "--mode", "777", FOLDER])
        node.path(f"{FOLDER}/{OTHER}.json").write_text(other)


def refuse(node: Node) -> None:
    """Let no container of a node be removed from now on."""
    node.path(f"{FOLDER}/{_REFUSES}").touch()


def containers(node: Node) -> list[str]:
    """Return the ids of the containers of a node; `other` is always among them."""
    return sorted(str(json.loads(path.read_text())["id"]) for path in node.path(FOLDER).glob("*.json"))
