# SPDX-License-Identifier: GPL-3.0-or-later
"""perf.csv and the files beside it, in the forms of both versions."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Dict

Row = Dict[str, Any]

_SHARED_1 = [
    "training_precision",
    "pipeline",
    "args",
    "tags",
    "docker_file",
    "base_docker",
    "docker_sha",
    "docker_image",
    "git_commit",
    "machine_name",
]
_SHARED_2 = [
    "gpu_architecture",
    "performance",
    "metric",
    "relative_change",
    "status",
    "build_duration",
    "test_duration",
    "dataname",
    "data_provider_type",
    "data_size",
    "data_download_duration",
    "build_number",
    "additional_docker_run_options",
]
COLUMNS_V1 = ["model", "n_gpus", *_SHARED_1, *_SHARED_2]
COLUMNS_V2 = ["model", "n_gpus", "nnodes", "gpus_per_node", *_SHARED_1, "deployment_type", "launcher", *_SHARED_2]


def create(path: str, header: str) -> None:
    """Write the header of a result file that is not there yet."""
    if not Path(path).exists():
        Path(path).write_text(header + "\n", encoding="utf-8")


def add_row(path: str, row: Row) -> None:
    """Add one result to the table and make perf_entry.csv of it; the whole table is written anew, as pandas does."""
    entry = flat(row)
    write_table("perf_entry.csv", [entry])
    table, columns = read_table(path)
    write_table(path, [*table, entry], columns)


def add_multiple(path: str, results: str, common: Row) -> None:
    """Add a row for each line of a model's own result file.

    Raises:
        FileNotFoundError: The model wrote no such file.
        RuntimeError: It lacks one of the columns model, performance, metric.
    """
    lines, columns = read_table(results)
    for column in ("model", "performance", "metric"):
        if column not in columns:
            message = f"{results} file is missing the {column} column"
            raise RuntimeError(message)
    shared = {k: v for k, v in flat(common).items() if k not in ("model", "performance", "metric", "status")}
    Path("common_info.json").write_text(json.dumps(shared), encoding="utf-8")
    entries = [
        {
            **shared,
            **line,
            "model": f"{common['model']}_{line['model']}",
            "status": "SUCCESS" if line["performance"] else "FAILURE",
        }
        for line in lines
    ]
    table, known = read_table(path)
    write_table("perf_entry.csv", entries, known)
    write_table(path, [*table, *entries], known)


def read_table(path: str) -> tuple[list[Row], list[str]]:
    """Return the rows and the columns of a file, without white space around the names."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    columns = [name.strip() for name in rows[0]]
    return [dict(zip(columns, row)) for row in rows[1:]], columns


def write_table(path: str, rows: list[Row], columns: list[str] | None = None) -> None:
    """Write rows; columns that only a row knows come last."""
    names = list(columns or [])
    names += list(dict.fromkeys(name for row in rows for name in row if name not in names))
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)


def flat(row: Row) -> Row:
    """Return the row with its tags as one text."""
    tags = row.get("tags", "")
    return {**row, "tags": ",".join(tags) if isinstance(tags, list) else tags}


def write_html(path: str) -> None:
    """Write the table of perf.csv as a page beside it (v1)."""
    rows, columns = read_table(path)
    cells = "".join("<tr>" + "".join(f"<td>{row.get(name, '')}</td>" for name in columns) + "</tr>\n" for row in rows)
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in columns) + "</tr>\n"
    Path(path).with_suffix(".html").write_text(f"<table>\n{head}{cells}</table>\n", encoding="utf-8")


def add_super(row: Row) -> None:
    """Add a result to the "superset" files of v2."""
    path = Path("perf_super.json")
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    entry = {**row, "configs": None, "multi_results": None}
    path.write_text(json.dumps([*entries, entry], indent=2), encoding="utf-8")
    Path("perf_entry_super.json").write_text(json.dumps([entry], indent=2), encoding="utf-8")
    write_table("perf_entry_super.csv", [entry])
    write_table("perf_super.csv", [*entries, entry])
