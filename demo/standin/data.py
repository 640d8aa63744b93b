# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of a model (data.json) and --force-mirror-local."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ORDER = ("custom", "local", "minio", "nas", "aws")
_DOWNLOADED = ("custom", "minio", "nas", "aws")


class Data:
    """The providers of data.json.

    Args:
        path: The file.
        mirror: Directory that every provider but `local` must copy to, or None.
    """

    def __init__(self, path: str, mirror: str | None) -> None:
        self._providers: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        if mirror:
            for kinds in self._providers.values():
                for kind, settings in kinds.items():
                    if kind != "local":
                        settings["mirrorlocal"] = mirror

    def find(self, name: str) -> dict[str, str] | None:
        """Return {"type", "path", "script"} of the first provider that has the data, or None; the path is on this host.

        Raises:
            RuntimeError: The mirror does not exist.
        """
        kinds = self._providers[name]
        for kind in (kind for kind in _ORDER if kind in kinds):
            print(f"MAD_DATA_PROVIDER::{name}: searching in {kind}. ")
            path = self._source(name, kind, kinds[kind])
            if path is not None:
                print(f"MAD_DATA_PROVIDER::{name}: found in {kind}. ")
                return {"type": kind, "path": path, "script": kinds[kind]["path"] if kind == "custom" else ""}
        print(f"MAD_DATA_PROVIDER::{name}: not found.")
        return None

    @staticmethod
    def _source(name: str, kind: str, settings: dict[str, str]) -> str | None:
        if kind == "local":
            return settings["path"] if Path(settings["path"]).exists() else None
        if "mirrorlocal" not in settings:
            return None
        if not Path(settings["mirrorlocal"]).exists():
            message = "mirrorlocal is a non-existent path."
            raise RuntimeError(message)
        target = Path(settings["mirrorlocal"], name)
        target.mkdir(parents=True, exist_ok=True)
        if kind == "custom" and not Path(settings["path"]).exists():
            return None
        return str(target)


def preparation(data: Data | None, model: dict[str, Any]) -> list[str]:
    """Return the scripts that fetch a model's data, to be run in the container."""
    found = [data.find(name) for name in model.get("data", "").split(",") if name] if data else []
    scripts = [source for source in found if source is not None and source["script"]]
    return [f"mkdir -p {s['path']}; cd {s['path']}; bash {Path.cwd()}/{s['script']} " for s in scripts]


def provide(data: Data | None, model: dict[str, Any]) -> tuple[dict[str, str], str, dict[str, str]]:
    """Return what a model's data adds: environment, `docker run` words for mounts, columns of the result row.

    Raises:
        RuntimeError: The mirror does not exist.
        AttributeError: The model needs data and there is no data.json (a slip of the real v1, kept).
    """
    names = model.get("data", "")
    if not names:
        return {}, "", {}
    found = [(name, data.find(name)) for name in names.split(",")]  # type: ignore[union-attr]
    there = [(name, source) for name, source in found if source is not None]
    env = {"MAD_DATAHOME": ",".join(source["path"] for _, source in there)} if there else {}
    mounts = "".join(f"-v {source['path']}:{source['path']}{_mode(source['type'])} " for _, source in there)
    columns = {"dataname": there[-1][0], "data_provider_type": there[-1][1]["type"]} if there else {}
    return {**env, "MAD_DATANAME": names}, mounts, columns


def _mode(kind: str) -> str:
    return "" if kind in _DOWNLOADED else ":ro"
