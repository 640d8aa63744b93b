# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs that this control node has a record of, and which of them is meant."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from madlaunch import runs
from madlaunch.answers_known import RunOverview
from madlaunch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED_RUNS = 10
OPEN = "open"
"""The state of a run whose launcher has not written its end: it runs, was left, or its launcher died."""


def recorded(environ: Mapping[str, str]) -> list[runs.RunRecord]:
    """Return the records of all runs, the newest first; what is no record, or a damaged one, is passed over."""
    found = []
    for path in (runs.state_directory(environ) / "runs").glob(f"*/{runs.RECORD_NAME}"):
        with suppress(runs.RecordError):
            found.append(runs.read_record(path.parent))
    return sorted(found, key=lambda record: (record.started_at_s, record.run_id), reverse=True)


def find(wanted: str, environ: Mapping[str, str]) -> runs.RunRecord | None:
    """Return the record that ``wanted`` means: an id, the beginning of just one, or '' for the newest; None if none.

    Raises:
        UsageError: it is the beginning of several.
    """
    matching = [record for record in recorded(environ) if record.run_id.startswith(wanted)]
    exact = [record for record in matching if record.run_id == wanted]
    if exact:
        return exact[0]
    if wanted and len(matching) > 1:
        names = ", ".join(record.run_id for record in matching[:_NAMED_RUNS])
        problem = f"{wanted!r} is the beginning of {len(matching)} runs: {names}"
        raise UsageError(problem, allowed="an id, or the beginning of just one", next_step="give more characters")
    return matching[0] if matching else None


def overview(record: runs.RunRecord) -> RunOverview:
    """Return what a list shows of a record."""
    hosts = record.plan.get("hosts")
    names = tuple(hosts) if isinstance(hosts, dict) else ()
    state = record.outcome.state if record.outcome and record.ended_at_s is not None else OPEN
    return RunOverview(
        run_id=record.run_id,
        model=record.model,
        nnodes=len(names),
        started_at_s=record.started_at_s,
        state=state,
        hosts=names,
        log_dir=record.log_dir,
    )
