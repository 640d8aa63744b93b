# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on runs that were started before, as lines of text. Pure: nothing is written here."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from madlaunch.console_report import runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from madlaunch.answers_known import RankStatus, RunOverview, RunStatus, StopFacts
    from madlaunch.console_style import Style

# Below this the columns would be cut to nothing; the terminal wraps instead.
_TABLE_WIDTH = 80
# A last line is there to be recognized; the log has it whole.
_LINE_CHARACTERS = 80
_COMMANDS = (
    ("status", "how it stands"),
    ("logs -f", "watch it"),
    ("attach", "take it over again; Ctrl-C there stops it"),
    ("collect", "bring its logs and results home"),
    ("stop", "end it"),
)


def run_status(status: RunStatus, style: Style) -> list[str]:
    """Return how a run stands, a row per rank, and what could not be found out."""
    model = f" ({style.safe(status.model)})" if status.model else ""
    lines = [style.paint("strong", f"Run {status.run_id}{model}: {status.state}")]
    columns = ("rank", "host", "state", "ended with", "runtime", "last output", "last line")
    rows = [_rank_row(rank) for rank in status.ranks]
    lines += _table(columns, rows, style) if rows else []
    if status.missing_ranks:
        missing = ", ".join(map(str, status.missing_ranks))
        lines.append(f"{style.symbol('warn')} No node told of these ranks: {missing}")
    lines += unreachable(status.unreachable.items(), style)
    return lines


def _rank_row(rank: RankStatus) -> tuple[str, ...]:
    age = "-" if rank.last_output_age_s is None else f"{runtime(max(0.0, rank.last_output_age_s))} ago"
    state = f"{rank.state} (attempt {rank.attempt})" if rank.attempt else rank.state
    last_line = rank.last_line if len(rank.last_line) <= _LINE_CHARACTERS else f"{rank.last_line[:_LINE_CHARACTERS]}..."
    return (str(rank.node_rank), rank.host, state, _ended_with(rank), runtime(rank.runtime_s), age, last_line or "-")


def _ended_with(rank: RankStatus) -> str:
    if rank.state != "ended":
        return "-"
    how = f"signal {rank.signal}" if rank.signal is not None else f"exit code {rank.exit_code}"
    if rank.exit_code is None and rank.signal is None:
        how = "unknown"
    why = rank.stop_reason or (rank.ended_by if rank.ended_by != "itself" else "")
    return f"{how}, by {why}" if why else how


def unreachable(hosts: Iterable[tuple[str, str]], style: Style) -> list[str]:
    """Return the hosts that gave no answer, each with the reason."""
    return [f"{style.symbol('bad')} {host} gave no answer: {reason.strip()}" for host, reason in hosts]


def runs_table(runs: Sequence[RunOverview], style: Style) -> list[str]:
    """Return a row per run, the newest first."""
    if not runs:
        return ["No runs."]
    columns = ("run id", "started", "state", "nodes", "model")
    return _table(columns, [_run_row(run) for run in runs], style)


def _run_row(run: RunOverview) -> tuple[str, ...]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at_s))
    return (run.run_id, started, run.state, str(run.nnodes or "-"), run.model or "-")


def stopped(facts: StopFacts, style: Style) -> list[str]:
    """Return where a run has ended as was seen, where something is left, and what to do about the others."""
    lines = [f"{style.symbol('bad')} {host}: left: {item}" for host, items in facts.left.items() for item in items]
    lines += unreachable(facts.unverified.items(), style)
    if facts.left or facts.unverified:
        lines.append(f"  again, when it can be mended: launcher.py stop {facts.run_id}")
    nothing = "" if facts.found else " (nothing of it was there; a launch of exactly this id is refused from now on)"
    kind = "good" if len(facts.clean) == facts.count else "bad"
    seen = f"clean on {len(facts.clean)}/{facts.count} hosts{nothing}"
    return [*lines, f"{style.symbol(kind)} Run {facts.run_id}: {seen}"]


def come_back(run_id: str, *verbs: str) -> list[str]:
    """Return the commands for a run that was left, all or those of some verbs."""
    chosen = [(verb, text) for verb, text in _COMMANDS if not verbs or verb.split()[0] in verbs]
    commands = [" ".join(("launcher.py", verb.split()[0], run_id, *verb.split()[1:])) for verb, _ in chosen]
    width = max(map(len, commands))
    return [f"  {command.ljust(width)}  # {text}" for command, (_, text) in zip(commands, chosen, strict=True)]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], style: Style) -> list[str]:
    table = Table(box=box.SIMPLE_HEAD if style.unicode else box.ASCII2, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name in {"rank", "nodes"} else "left")
    for row in rows:
        table.add_row(*(Text(style.safe(cell.replace("\n", " "))) for cell in row))
    stream = io.StringIO()
    Console(
        file=stream, width=max(style.width, _TABLE_WIDTH), no_color=True, force_terminal=False, legacy_windows=False
    ).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]
