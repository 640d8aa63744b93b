# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say of all hosts together whether a run has ended on them and left nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.madlaunch.multinode.plugins.module_utils._outcome import STOPPED, RankOutcome, with_cleanliness

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "run_id": {"type": "str", "required": True},
    "stopped": {"type": "str", "required": True},
    "outcome": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """Folds what the hosts answered; fails when one of them is not known to be clean."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the hosts that are `clean`, where something is `left`, and which are `unverified`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        variables = task_vars or {}
        names = [str(name) for name in variables["ansible_play_hosts_all"]]
        answers = {name: variables["hostvars"][name].get(options["stopped"]) or {} for name in names}
        facts = fold(options["run_id"], answers)
        text = "\n".join(described(facts))
        Display().display(text)
        result.update(changed=False, failed=len(facts["clean"]) != len(names), msg=text, **facts)
        result["madlaunch"] = {"kind": "stopped", **facts}
        if options["outcome"]:
            outcome = with_ends(options["outcome"], answers)
            result.update(outcome=outcome, madlaunch={"kind": "result", "outcome": outcome})
        return result


def with_ends(outcome: dict[str, Any], answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the outcome of a launch that was broken off, with what the stop saw of each rank that was up by then."""
    ranks = [_ended(RankOutcome.from_dict(rank), answers.get(rank["host"]) or {}) for rank in outcome["ranks"]]
    verified = sum(bool(rank.clean) for rank in ranks)
    clean = {"hosts": len(ranks), "verified": verified}
    return {**outcome, "ranks": [rank.as_dict() for rank in ranks], "clean": clean}


def _ended(rank: RankOutcome, answer: dict[str, Any]) -> RankOutcome:
    seen = with_cleanliness(rank, answer if "processes_left" in answer else None)
    if rank.state != "running":
        return seen
    return replace(seen, state=STOPPED, reason="stopped, because the launch did not get so far as to leave it alone")


def fold(run_id: str, answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return who is clean, what is left where, and who could not be looked at, from what each host answered."""
    facts: dict[str, Any] = {"run_id": run_id, "found": False, "clean": [], "left": {}, "unverified": {}}
    for name, answer in answers.items():
        facts["found"] = facts["found"] or bool(answer.get("found"))
        if answer.get("clean"):
            facts["clean"].append(name)
        elif "processes_left" in answer:
            facts["left"][name] = _left(answer)
        else:
            facts["unverified"][name] = str(answer.get("error") or answer.get("msg") or "it gave no answer")
    return facts


def _left(answer: dict[str, Any]) -> list[str]:
    processes = [f"process {item['pid']}: {item['command']}" for item in answer["processes_left"]]
    return processes + [f"container {name}" for name in answer["containers_left"]]


def described(facts: dict[str, Any]) -> list[str]:
    """Return it in lines for people."""
    run_id, count = facts["run_id"], len(facts["clean"]) + len(facts["left"]) + len(facts["unverified"])
    lines = [f"{name} is not clean: {what}" for name, items in facts["left"].items() for what in items]
    for name, reason in facts["unverified"].items():
        lines.append(f"{name} could not be looked at: {reason}")
        lines.append(
            f"  when it answers again: ansible-playbook madlaunch.multinode.stop -e run_id={run_id} --limit {name}"
        )
    nothing = "" if facts["found"] else " (nothing of it was there; a launch of exactly this id is refused from now on)"
    return [*lines, f"run {run_id}: clean on {len(facts['clean'])}/{count} hosts{nothing}"]
