# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables at the end of a run of v2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from standin.console import cells, say
from standin.perf import read_table

_COLUMNS = [
    "Run",
    "Index",
    "Model",
    "Topology",
    "Launcher",
    "Deployment",
    "GPU_Arch",
    "Performance",
    "Metric",
    "Status",
    "Duration",
    "Data_Name",
    "Data_Provider",
]


def results_table(title: str, good: list[dict[str, Any]], bad: list[dict[str, Any]]) -> None:
    """Print which models were built, or ran."""
    rows = [["✅ Success", item["model"]] for item in good] + [["❌ Failed", item["model"]] for item in bad]
    rows = rows or [["ℹ️ No items", ""]]  # noqa: RUF001 - the tool's own sign
    _table(f"⚡ {title}", ["Index", "Status", "Model"], [[str(i), *row] for i, row in enumerate(rows, 1)])


def performance_table(path: str, first_row: int) -> None:
    """Print all rows of the result file and mark those of this run."""
    if not Path(path).exists():
        say(f"⚠️  Performance CSV not found: {path}")
        return
    rows, _ = read_table(path)
    if not rows:
        say("⚠️  Performance CSV is empty")
        return
    title = f"📊 Performance Results (all {len(rows)} runs, {len(rows) - first_row} from current session)"
    print()
    _table(
        title, [name.replace("_", " ") for name in _COLUMNS], [_line(i, row, first_row) for i, row in enumerate(rows)]
    )
    good = sum(row["status"] == "SUCCESS" for row in rows)
    say(f"\nSummary: {len(rows)} total runs, {good} successful, {len(rows) - good} failed")


def _line(number: int, row: dict[str, Any], first_row: int) -> list[str]:
    status = {"SUCCESS": "✅ Success", "FAILURE": "❌ Failed"}.get(row["status"], row["status"])
    topology = f"{row['nnodes']}N×{row['gpus_per_node']}G"  # noqa: RUF001 - the tool's own sign
    mark = "➤" if number >= first_row else ""
    names = [row["model"], topology, row["launcher"], row["deployment_type"], row["gpu_architecture"]]
    tail = [row["dataname"] or "N/A", row["data_provider_type"] or "N/A"]
    return [
        mark,
        str(number),
        *names,
        row["performance"] or "N/A",
        row["metric"],
        status,
        _time(row["test_duration"]),
        *tail,
    ]


def _time(text: str) -> str:
    seconds = float(text or 0)
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.2f}s"


def _table(title: str, head: list[str], rows: list[list[str]]) -> None:
    widths = [max(cells(row[i]) for row in [head, *rows]) for i in range(len(head))]
    edge = ["━" * (w + 2) for w in widths]
    print(title)
    print("┏" + "┳".join(edge) + "┓")
    print("┃" + "┃".join(f" {_padded(c, w)} " for c, w in zip(head, widths)) + "┃")
    print("┡" + "╇".join(edge) + "┩")
    for row in rows:
        print("│" + "│".join(f" {_padded(c, w)} " for c, w in zip(row, widths)) + "│")
    print("└" + "┴".join("─" * (w + 2) for w in widths) + "┘")


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - cells(text))
