# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different when AWX (or Tower) runs the playbook: the name of the run, what is refused, how lines are shown.

Private to the collection. Pure: variables in, names and text out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._plan import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping

# AWX lists an event with no more of its text than this, and takes 30 events a second of a job to its live view.
EVENT_LIMIT_CHARACTERS = 1024
POLL_EVERY_S = 1.0
_PREFIXES = ("awx_", "tower_")
# A job has a terminal, on which a line ends with two characters.
_LINE_END = 2
# Room for the words that tell how many characters of a line are left out.
_MARK_CHARACTERS = 20
# AWX answers a prompt of ssh or sudo when a line of the output looks like one, wherever it comes from.
_PROMPT = re.compile(r"pass(?:word|phrase)\b.*:\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Job:
    """The job that runs the playbook, and the workflow that it belongs to ('' for none)."""

    job_id: str
    template: str = ""
    workflow_id: str = ""
    workflow: str = ""

    @property
    def run_id(self) -> str:
        """The id of the run that this job launches."""
        return f"{self.workflow_prefix}{self.job_id}" if self.workflow_id else f"mad-{self.job_id}"

    @property
    def workflow_prefix(self) -> str:
        """The beginning of the ids of all runs that the workflow of this job launches."""
        return f"mad-w{self.workflow_id}-" if self.workflow_id else ""

    @property
    def is_slice(self) -> bool:
        """Whether the job has only a part of the inventory: AWX runs slices in a workflow named like their template."""
        return bool(self.workflow_id) and self.workflow == self.template


def job_of(variables: Mapping[str, Any]) -> Job | None:
    """Return the job that runs this playbook, by the variables of a host; None outside of AWX."""
    found = {name: _value(variables, name) for name in ("job_id", "job_template_name", "workflow_job_id")}
    if not found["job_id"]:
        return None
    workflow = _value(variables, "workflow_job_name")
    return Job(found["job_id"], found["job_template_name"], found["workflow_job_id"], workflow)


def _value(variables: Mapping[str, Any], name: str) -> str:
    values = (variables.get(prefix + name) for prefix in _PREFIXES)
    return str(next((value for value in values if value is not None), ""))


def by_name(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return the key by which names of hosts are sorted: numbers by their value, so that node2 is before node10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts)


def check(job: Job, lease_s: int, *, detach: bool) -> None:
    """Raise `PlanError` for a launch that would go wrong in AWX alone."""
    if job.is_slice:
        message = f"the job is one slice of {job.template}, so it has only a part of the hosts."
        hint = "Set job slicing of the template to 1; if it is 1, give the workflow another name than the template."
        raise PlanError("job_slice_count", message, hint)
    if lease_s == 0 and not detach:
        message = "lease_s is 0 in an AWX job, which ends without a word when it is canceled or runs into its timeout."
        raise PlanError("lease_s", message, "Give a lease in seconds, or detach to leave the run alone on purpose.")


def event_texts(text: str, limit: int = EVENT_LIMIT_CHARACTERS) -> list[str]:
    """Return the lines of `text` in parts that AWX shows whole, in order; a longer line is cut and says so."""
    parts: list[str] = []
    size = limit
    for line in (_fitted(line, limit - _LINE_END) for line in text.split("\n")):
        size += len(line) + _LINE_END
        if size <= limit:
            parts[-1] += "\n" + line
        else:
            parts.append(line)
            size = len(line) + _LINE_END
    return parts


def _fitted(line: str, limit: int) -> str:
    """Return a line that is short enough, and that AWX does not take for the prompt for a password."""
    if _PROMPT.search(line):
        line = f"{line.rstrip()} ."
    if len(line) <= limit:
        return line
    kept = line[: limit - _MARK_CHARACTERS]
    return f"{kept} [{len(line) - len(kept)} more]"
