# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and merge madengine's result rows (perf.csv).

Private to the collection. Pure. v1 starts the file with a header that has a space behind each comma and v2 knows more
columns, so columns are taken by their stripped names and the merged file has them all.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._outcome import Performance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OWN_COLUMNS = ("node_rank", "host")
MAX_FIELD_CHARS = 4 * 1024 * 1024


@dataclass(frozen=True)
class RankResults:
    """The result rows of one rank as text; None when it has none."""

    node_rank: int
    host: str
    perf_csv: str | None


def read_rows(text: str | None) -> list[dict[str, str]]:
    """Return the rows by column name; a row that is too long or too short keeps what has a name."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    # The text may have been damaged by a full disk: no NUL may reach the reader, which refuses it before Python 3.11.
    lines = [row for row in csv.reader(io.StringIO((text or "").replace("\0", "")), skipinitialspace=True) if row]
    if not lines:
        return []
    header = [name.strip() for name in lines[0]]
    return [{name: value.strip() for name, value in zip(header, row)} for row in lines[1:]]


def performance_of(rows: Iterable[Mapping[str, str]]) -> list[Performance]:
    """Return the values of the rows that succeeded with a number.

    v1 writes one number per line when the log has several `performance:` lines; the last one counts.
    """
    found = []
    for row in rows:
        value = _last_line(row.get("performance", ""))
        if row.get("status", "").upper() == "SUCCESS" and _is_number(value):
            found.append(Performance(row.get("model", ""), value, _last_line(row.get("metric", ""))))
    return found


def merge(ranks: Iterable[RankResults], nnodes: int) -> str:
    """Return one CSV text with the rows of all ranks, `node_rank` and `host` first, in the order of the ranks.

    madengine knows nothing of the other nodes and writes `nnodes` 1 and the GPUs of one node: where a row has these
    columns they are corrected.
    """
    rows: list[dict[str, Any]] = []
    for rank in sorted(ranks, key=lambda item: item.node_rank):
        place = {"node_rank": rank.node_rank, "host": rank.host}
        rows += [{**_of_the_run(row, nnodes), **place} for row in read_rows(rank.perf_csv)]
    columns = dict.fromkeys(OWN_COLUMNS)
    for row in rows:
        columns.update(dict.fromkeys(row))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def summary(ranks: Iterable[RankResults]) -> dict[str, Any]:
    """Return what summary.json says of the results: per rank how many rows, and every performance value."""
    counts, values = [], []
    for rank in sorted(ranks, key=lambda item: item.node_rank):
        rows = read_rows(rank.perf_csv)
        place = {"node_rank": rank.node_rank, "host": rank.host}
        succeeded = sum(row.get("status", "").upper() == "SUCCESS" for row in rows)
        counts.append({**place, "rows": len(rows), "succeeded": succeeded})
        found = performance_of(rows)
        values += [{**place, "model": v.model, "performance": v.performance, "metric": v.metric} for v in found]
    return {"schema": 1, "rows": sum(count["rows"] for count in counts), "ranks": counts, "performance": values}


def _last_line(text: str) -> str:
    return (text.splitlines() or [""])[-1].strip()


def _of_the_run(row: dict[str, str], nnodes: int) -> dict[str, str]:
    per_node = row.get("gpus_per_node", "")
    if "nnodes" not in row:
        return row
    corrected = {**row, "nnodes": str(nnodes)}
    if per_node.isdigit():
        corrected["n_gpus"] = str(int(per_node) * nnodes)
    return corrected


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
