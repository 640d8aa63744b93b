# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as lines of text: the preflight, the results, the dry run. Pure: nothing is written here."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import yaml
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from madlaunch.events import ssh_said
from madlaunch.runs import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from madlaunch.answers import Finding, RankOutcome, RunOutcome
    from madlaunch.console_style import Style
    from madlaunch.events import PreflightDone, RankRendered
    from madlaunch.request import SettingRow

_SEVERITIES = {"error": ("bad", "error"), "warning": ("warn", "warning"), "note": ("note", "note")}
# Below this the columns would be cut to nothing; the terminal wraps instead.
_TABLE_WIDTH = 80
# From this on the reason of a verdict is a column of the table.
_WIDE = 120
_RANK_WIDTH = len("rank")
_MANY = 8
"""More names or lines than this are not listed one by one."""
_NOT_SET = "(not set)"
_STATE_WORDS = {"not_started": "not started", "timeout": "time limit"}


def plural(count: int, noun: str) -> str:
    """Return ``1 error`` or ``2 errors``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def folded(names: Sequence[str]) -> str:
    """Return names as a list; many of them as node[01-24] if that keeps their order, else the first and the last."""
    if len(names) <= _MANY:
        return ", ".join(names)
    try:
        nodes = NodeSet.fromlist(names, resolver=RESOLVER_NOGROUP)  # type: ignore[no-untyped-call] # has no types
        short = str(nodes) if list(nodes) == list(names) else ""
    except NodeSetException:
        short = ""
    return f"{short or f'{names[0]}, ..., {names[-1]}'} ({len(names)} nodes)"


def preflight_report(report: PreflightDone, style: Style) -> list[str]:
    """Return the findings, errors first, those of one check together, each with what mends it."""
    lines: list[str] = []
    for severity in _SEVERITIES:
        chosen = [finding for finding in report.findings if finding.severity == severity]
        for check in dict.fromkeys(finding.check for finding in chosen):
            lines += _check_report(check, severity, [item for item in chosen if item.check == check], style)
    if report.skipped:
        lines.append(f"{style.symbol('warn')} Checks left out on request: {', '.join(report.skipped)}")
    if report.ok:
        return [*lines, f"{style.symbol('good')} Preflight passed{_prepared(report)}"]
    count = sum(finding.severity == "error" for finding in report.findings)
    return [*lines, "", f"{style.symbol('bad')} Preflight failed: {plural(count, 'error')}. Nothing was started."]


def _check_report(check: str, severity: str, findings: Sequence[Finding], style: Style) -> Iterator[str]:
    kind, word = _SEVERITIES[severity]
    yield ""
    yield f"{style.symbol(kind)} {check} ({word})"
    for hosts, finding in _grouped(findings):
        yield f"  {folded(hosts) if any(hosts) else 'all hosts'}: {_indented(finding.message, 4)}"
        for label, text in (("seen", ssh_said(finding.seen)), ("expected", finding.expected), ("fix", finding.fix)):
            if text:
                yield f"    {label + ':':9} {_indented(text, 14)}"


def _grouped(findings: Sequence[Finding]) -> Iterator[tuple[list[str], Finding]]:
    """Yield each finding once, with the hosts that have it; where only the host's name differs it reads HOST."""
    groups: dict[Finding, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_without_host(finding), []).append(finding)
    for common, same in groups.items():
        alike = all(replace(finding, host=same[0].host) == same[0] for finding in same)
        yield list(dict.fromkeys(finding.host for finding in same)), same[0] if alike else common


def _without_host(finding: Finding) -> Finding:
    """Return a finding with HOST in place of the name of its host."""
    if not finding.host:
        return finding
    name = re.compile(rf"(?<![\w.-]){re.escape(finding.host)}(?![\w-]|\.\w)")
    texts = {key: name.sub("HOST", getattr(finding, key)) for key in ("seen", "expected", "fix", "message")}
    return replace(finding, host="", **texts)


def _indented(text: str, width: int) -> str:
    return text.strip().replace("\n", "\n" + " " * width)


def _prepared(report: PreflightDone) -> str:
    """Return what the hosts told, in parentheses; '' if they told nothing."""
    versions = sorted({host.madengine_version for host in report.hosts if host.madengine_version})
    counts = sorted({host.nproc_per_node for host in report.hosts if host.nproc_per_node})
    parts = [f"madengine {', '.join(versions)}"] if versions else []
    if counts:
        parts.append(f"{' or '.join(map(str, counts))} process{'' if counts == [1] else 'es'} per node")
    return f" ({'; '.join(parts)})" if parts else ""


def rank_end(outcome: RankOutcome, style: Style) -> str:
    """Return the one line that tells how a rank ended."""
    if outcome.state == "ok":
        return f"{style.symbol('good')} {outcome.host} completed successfully"
    word = _STATE_WORDS.get(outcome.state, outcome.state)
    code = f", {how_ended(outcome)}" if how_ended(outcome) else ""
    reason = f": {_indented(outcome.reason, 4)}" if outcome.reason else ""
    kind = "warn" if outcome.state == "stopped" else "bad"
    return f"{style.symbol(kind)} {outcome.host} (rank {outcome.node_rank}) {word}{code}{reason}"


def how_ended(outcome: RankOutcome) -> str:
    """Return the exit code or the signal of a rank in words; '' when neither is known."""
    if outcome.signal is not None:
        return f"signal {outcome.signal}"
    return "" if outcome.exit_code is None else f"exit code {outcome.exit_code}"


def runtime(seconds: float | None) -> str:
    """Return a duration as 1:02:03 or 4.5s; '-' when unknown."""
    if seconds is None:
        return "-"
    minute = 60
    if seconds < minute:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), minute)
    hours, minutes = divmod(minutes, minute)
    return f"{hours}:{minutes:02}:{rest:02}"


def first_failure(outcome: RunOutcome, style: Style) -> list[str]:
    """Return who failed first and the last lines of that rank; nothing if nobody did."""
    first = outcome.first_failure
    if first is None:
        return []
    who = f"{first.host} (rank {first.node_rank})"
    lines = [f"{style.symbol('bad')} First failure: {who}: {_indented(first.reason, 4)}"]
    for rank in outcome.ranks:
        if rank.node_rank == first.node_rank and rank.last_lines:
            lines.append("  its last lines:")
            lines += [f"    {style.safe(line)}" for line in rank.last_lines]
            lines += [f"  its whole log: {rank.log_path}"] if rank.log_path else []
    return lines


def attempt_end(outcome: RunOutcome, max_restarts: int, style: Style) -> list[str]:
    """Return why an attempt failed and that all is started again."""
    count = f"attempt {outcome.attempt + 1} of at most {max_restarts + 1}"
    again = "clean on all hosts; starting every rank again"
    return ["", *first_failure(outcome, style), f"{style.symbol('warn')} {count} failed; {again}"]


def cleanliness(outcome: RunOutcome, run_id: str, style: Style) -> list[str]:
    """Return on how many hosts nothing of the run is left, as it was seen, and what to do about the others."""
    count, unclean = len(outcome.ranks), outcome.unclean
    lines = [f"{style.symbol('bad' if unclean else 'good')} clean on {count - len(unclean)}/{count} hosts"]
    for rank in unclean:
        seen = f"left: {'; '.join(rank.left)}" if rank.left else "could not be looked at"
        lines.append(f"  {rank.host} (rank {rank.node_rank}): {style.safe(_indented(seen, 4))}")
    return [*lines, f"  later: launcher.py stop {run_id}"] if unclean else lines


def rank_table(ranks: Iterable[RankOutcome], style: Style) -> list[str]:
    """Return the table of who did what, no wider than the stream; without room the reasons are below the ranks."""
    ranks = list(ranks)
    wide = style.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD if style.unicode else box.ASCII2, pad_edge=False, show_edge=False)
    table.add_column("rank", justify="right", no_wrap=True, min_width=_RANK_WIDTH)
    for name in ("host", "state", "ended with", "runtime", "performance", *(["verdict rests on"] if wide else [])):
        table.add_column(name, overflow="fold")
    for rank in ranks:
        values = "; ".join(f"{item.performance} {item.metric}".strip() for item in rank.performance)
        cells = (
            str(rank.node_rank), rank.host, _STATE_WORDS.get(rank.state, rank.state), how_ended(rank) or "-",
            runtime(rank.runtime_s), values or "-", *([rank.reason or "-"] if wide else []),
        )  # fmt: skip
        # Text: a host such as "[::1]" or a reason with brackets is no markup.
        table.add_row(*(Text(style.safe(cell.replace("\n", " "))) for cell in cells))
    stream = io.StringIO()
    Console(
        file=stream, width=max(style.width, _TABLE_WIDTH), no_color=True, force_terminal=False, legacy_windows=False
    ).print(table)
    lines = [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]
    return lines if wide else list(_with_reasons(lines, ranks, style))


def _with_reasons(lines: Iterable[str], ranks: Iterable[RankOutcome], style: Style) -> Iterator[str]:
    """Yield the lines of the table with the reason of each rank on a line below it."""
    reasons = iter([style.safe(rank.reason.replace("\n", " ")) for rank in ranks])
    pending = ""
    for line in lines:
        # Only the first line of a row has a number in the first column; a long cell goes on below.
        if line[:_RANK_WIDTH].strip().isdigit():
            yield from filter(None, [pending])
            reason = next(reasons)
            pending = f"{' ' * (_RANK_WIDTH + 3)}verdict rests on: {reason}" if reason else ""
        yield line
    yield from filter(None, [pending])


def dry_run(settings: Sequence[SettingRow], inventory: Mapping[str, object], sources: Sequence[str]) -> list[str]:
    """Return the settings with their sources and the inventory, secrets masked."""
    lines = ["Dry run: no host is contacted, nothing is started.", ""]
    for group in dict.fromkeys(row.group for row in settings):
        lines.append(f"Settings: {group}")
        lines += [f"  {row.name} = {row.value or _NOT_SET}  ({row.source})" for row in settings if row.group == group]
        lines.append("")
    lines.append("Inventory:")
    lines += [f"  from {source}" for source in sources]
    text = yaml.safe_dump(without_secrets(inventory), sort_keys=False, allow_unicode=True, width=1000)
    return [*lines, *(f"  {line}" for line in text.splitlines())]


def scripts(rendered: RankRendered) -> list[str]:
    """Return what would run on one host, as it is; both forms where the version of madengine is not known."""
    place = f"rank {rendered.node_rank} on {rendered.host}"
    lines: list[str] = []
    for script in rendered.scripts:
        lines += ["", f"=== {place}, madengine v{script.version}: run.sh", script.text.rstrip("\n")]
        for name, text in script.files:
            lines += [f"=== {place}, madengine v{script.version}: {name}", text.rstrip("\n")]
    lines += [f"=== {place}, madengine v{version}: cannot run: {reason}" for version, reason in rendered.refused]
    if rendered.unknown:
        lines.append(f"=== {place}: only the host can tell: {', '.join(rendered.unknown)}")
    return lines
