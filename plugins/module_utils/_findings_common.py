# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the judges of the preflight share: the launch as they see it, and the form of a finding.

Private to the collection.
"""

from __future__ import annotations

import shlex
from typing import Any, Dict, NamedTuple

Finding = Dict[str, Any]

_NAMES_SHOWN = 8


class Host(NamedTuple):
    """One host: its place and settings in the plan, and its answers.

    `facts` and `confirmed` are None where it gave none; `probe` and `confirm` are the answers whole.
    """

    name: str
    settings: dict[str, Any]
    probe: dict[str, Any]
    confirm: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any] | None:
        """What the host told of itself."""
        return self.probe.get("facts")

    @property
    def confirmed(self) -> dict[str, Any] | None:
        """What the host confirmed of rank 0."""
        return self.confirm.get("facts")

    @property
    def address(self) -> str:
        """Where Ansible logs in."""
        return str(self.settings.get("address") or self.name)

    @property
    def machine(self) -> tuple[str, str] | None:
        """What two hosts have in common that are one machine: its boot, and the network stack; None if unknown."""
        facts = self.facts or {}
        known = (str(facts.get("boot_id") or ""), str(facts.get("network") or ""))
        return known if all(known) else None

    def failed(self, fact: str) -> bool:
        """Tell whether the probe of a fact gave nothing, so that the fact says nothing."""
        return fact in ((self.facts or {}).get("failed") or {})


class Launch(NamedTuple):
    """A launch as the judges see it: the plan and its hosts in the order of their ranks."""

    plan: dict[str, Any]
    hosts: list[Host]

    @property
    def first(self) -> Host:
        """The host of rank 0."""
        return self.hosts[0]

    @property
    def told(self) -> list[Host]:
        """The hosts that told their facts."""
        return [host for host in self.hosts if host.facts is not None]

    @property
    def is_cut_off(self) -> bool:
        """Tell whether rank 0's listener, and the nonce with it, went away before all hosts had come."""
        return (self.first.confirmed or {}).get("taken_by") is not None


class Text(NamedTuple):
    """The words of a finding: one sentence, what was seen, what was expected, and the step that mends it."""

    message: str
    seen: str
    expected: str
    fix: str


def launch_of(plan: dict[str, Any], probes: dict[str, Any], confirms: dict[str, Any]) -> Launch:
    """Return the launch; a host without an answer has {} for it."""
    hosts = [
        Host(name, settings, probes.get(name) or {}, confirms.get(name) or {})
        for name, settings in plan["hosts"].items()
    ]
    return Launch(plan, sorted(hosts, key=lambda host: int(host.settings["node_rank"])))


def finding(check: str, severity: str, host: str | None, text: Text) -> Finding:
    """Return a finding as it is reported."""
    return {"check": check, "severity": severity, "host": host, **text._asdict()}


def error(check: str, host: str | None, text: Text) -> Finding:
    """Return a finding that keeps the launch from being started."""
    return finding(check, "error", host, text)


def warning(check: str, host: str | None, text: Text) -> Finding:
    """Return a finding that may well be a mistake, but does not have to be."""
    return finding(check, "warning", host, text)


def note(check: str, host: str | None, text: Text) -> Finding:
    """Return a finding that is only worth knowing."""
    return finding(check, "note", host, text)


def quoted(word: object) -> str:
    """Return a word as it is typed in a shell."""
    return shlex.quote(str(word))


def option(name: str, value: object) -> str:
    """Return how a setting is given: as a flag of the launcher, and as a variable of the playbook."""
    return f"{'--' + name.replace('_', '-')} {quoted(value)} (variable {name})"


def skip(check: str) -> str:
    """Return how a check is left out."""
    return f"--skip-check {check}"


def listed(names: list[str]) -> str:
    """Return names for a sentence, at most eight of them."""
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def size(count_bytes: int) -> str:
    """Return a number of bytes for people to read."""
    value = float(count_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004 - the step between binary units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
