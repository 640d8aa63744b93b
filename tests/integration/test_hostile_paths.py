# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of files, and limits, that a shell, a template or an option parser would act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.dry_running import dry_run
from tests.integration.test_hostile_values import KINDS, _canaries

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = "all:\n  hosts:\n    alpha:\n      ansible_host: 192.0.2.1\n"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"newline", "dollar"}])
def test_hostile_file_name_when_the_file_is_there_then_it_is_read(tmp_path: Path, kind: str) -> None:
    """An inventory, a file of settings and one of variables of this name; nothing but them is read, nothing is run.

    Ansible knows an inventory by the end of its name.
    """
    names = {"inventory": f"{KINDS[kind]}.yml", "config": KINDS[kind], "env-file": KINDS[kind]}
    files = {"inventory": INVENTORY, "config": "model: from-config\n", "env-file": "FROM_FILE=hidden\n"}
    words = []
    for flag, content in files.items():
        folder = tmp_path / flag
        folder.mkdir()
        (folder / names[flag]).write_text(content)
        words.append(f"--{flag}={folder}/{names[flag]}")
    done = dry_run(tmp_path, *words, "--output", "json")
    assert (done.returncode, _canaries(tmp_path)) == (0, []), (done.stderr, done.stdout[-2000:])
    (plan,) = [event["plan"] for event in done.of("plan")]
    assert (plan["model"], list(plan["hosts"])) == ("from-config", ["alpha"])
    assert "FROM_FILE" in done.files(0, "2")["context.json"]


def test_hostile_inventory_when_ansible_would_expand_its_name_then_refused(tmp_path: Path) -> None:
    """It would read another file, or none."""
    path = tmp_path / KINDS["dollar"]
    path.write_text(INVENTORY)
    done = dry_run(tmp_path, "--model", "tag", "-i", str(path))
    reason = f"error: --inventory: Ansible would put the value of a variable into the path {str(path)!r} (from the"
    assert (done.returncode, done.stderr[: len(reason)], _canaries(tmp_path)) == (2, reason, [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flag", ["inventory", "config", "env-file"])
def test_hostile_file_name_when_there_is_no_such_file_then_refused_by_name(
    tmp_path: Path, flag: str, kind: str
) -> None:
    """Exit code 2 and the name; a list of hosts is told by its comma, and then has no such host."""
    name = KINDS[kind].replace(",", "")
    given = ["--nodes", "a"] if flag != "inventory" else []
    done = dry_run(tmp_path, "--model", "tag", *given, f"--{flag}={name}")
    assert (done.returncode, _canaries(tmp_path)) == (2, []), done.stderr
    assert f"error: --{flag}: " in done.stderr
    assert repr(name)[1:-1] in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_limit_when_it_matches_no_host_then_refused_by_name(tmp_path: Path, kind: str) -> None:
    """It is a pattern of host names and nothing else."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY)
    done = dry_run(tmp_path, "--model", "tag", "-i", str(inventory), f"--limit={KINDS[kind]}")
    assert (done.returncode, _canaries(tmp_path)) == (2, []), (done.stderr, done.stdout[-2000:])
    assert "error: " in done.stderr
    assert repr(KINDS[kind])[1:-1] in done.stderr
