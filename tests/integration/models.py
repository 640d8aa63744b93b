# SPDX-License-Identifier: GPL-3.0-or-later
"""Models and programs that a test puts on its nodes, beside those of demo/."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cluster.options import LOGIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.base import AnyCluster
    from tests.cluster.cluster import Cluster


def add_model(cluster: AnyCluster, name: str, script: str) -> None:
    """Put a model into the MAD checkout of every node; its script runs in the stand-in's container."""
    for node in cluster.hosts:
        mad = node.home / "MAD"
        if (mad / "scripts" / name).exists():
            continue  # another node made it: the homes are shared
        models = json.loads((mad / "models.json").read_text())
        models.append({**models[0], "name": name, "scripts": f"scripts/{name}/run.sh", "tags": ["test"]})
        (mad / "models.json").write_text(json.dumps(models, indent=2))
        (mad / "scripts" / name).mkdir()
        (mad / "scripts" / name / "run.sh").write_text(script)


def wrap_madengine(cluster: Cluster, script: str) -> str:
    """Put a program into every login's home that does `script` in place of `madengine run`; return its path there.

    In the script "$@" are the arguments, `run` among them, and `madengine` is the stand-in.
    """
    text = f'#!/bin/bash\n[ "$1" = run ] || exec madengine "$@"\n{script}\n'
    for node in cluster.nodes:
        _write_program(node.home / "wrapped-madengine", text)
    return f"/home/{LOGIN}/wrapped-madengine"


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
