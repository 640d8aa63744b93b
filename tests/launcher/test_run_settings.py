# SPDX-License-Identifier: GPL-3.0-or-later
"""A real playbook under the settings of somebody else: hardened ``ansible.cfg`` files and locales of other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from madlaunch.events import Event, OutputLine, OutputLines, PlayEnded, TaskFailed
from madlaunch.run import Play
from tests.launcher import small_collection as small

if TYPE_CHECKING:
    from pathlib import Path


def _lines(events: list[Event]) -> list[OutputLine]:
    return [line for event in events if isinstance(event, OutputLines) for line in event.lines]


def _collection(folder: Path) -> Path:
    """Return a collection whose play makes a plan, then takes a second and a half to say a line."""
    return small.make(
        folder / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(folder, "a")}),
        small.task(wait_for=str(folder / "never"), limit_s=1.5),
        small.task(show=["[a:0] done"]),
    )


@pytest.mark.parametrize(
    "config",
    [
        pytest.param("[defaults]\nno_log = True\ndisplay_ok_hosts = False\n", id="results hidden"),
        pytest.param("[defaults]\ntask_timeout = 1\n", id="task timeout"),
        pytest.param("[inventory]\nenable_plugins = ini\n", id="inventory plugins"),
        pytest.param("[tags]\nrun = mine\nskip = all\n", id="tags"),
        pytest.param(
            "[defaults]\nask_pass = True\nask_vault_pass = True\n[privilege_escalation]\nbecome_ask_pass = True\n",
            id="prompts that nobody answers",
        ),
    ],
)
def test_play_when_ansible_is_configured_by_somebody_else_goes_as_ever(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No setting of an ansible.cfg hides the plan, ends the play early or makes it wait for a person."""
    (tmp_path / "ansible.cfg").write_text(config)
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
    events = list(Play(small.request(tmp_path), _collection(tmp_path)).events())
    assert _lines(events) == [OutputLine("a", 0, "done")]
    assert events[-1] == PlayEnded(0, canceled=False)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [pytest.param((), "0", id="named nodes"), pytest.param(("a,",), "(not set)", id="an inventory of the user")],
)
def test_play_when_nodes_are_named_is_alone_in_logging_in(
    tmp_path: Path, sources: tuple[str, ...], expected: str
) -> None:
    """Becoming another user is the estate's to decide where the estate's inventory is used, and nowhere else."""
    root = small.make(tmp_path / "clone", small.task(environment="ANSIBLE_BECOME", fail=True))
    events = list(Play(small.request(tmp_path, inventory_sources=sources), root).events())
    assert [event.message for event in events if isinstance(event, TaskFailed)] == [expected]


@pytest.mark.parametrize(
    "locale",
    [
        pytest.param({"LANG": "xx_XX.UTF-8"}, id="unknown language"),
        pytest.param({"LANG": "C.UTF-8", "LC_TIME": "xx_XX.UTF-8"}, id="unknown part"),
        pytest.param({"LC_ALL": "POSIX"}, id="not UTF-8"),
    ],
)
def test_play_when_the_locale_is_that_of_another_machine_goes_as_ever(
    tmp_path: Path, locale: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ssh brings in the locale of a laptop, which this machine may lack; Ansible refuses to start with it."""
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(show=["[a:0] ü"]),
    )
    assert _lines(list(Play(small.request(tmp_path), root).events())) == [OutputLine("a", 0, "ü")]
