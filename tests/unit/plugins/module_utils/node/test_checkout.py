# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of the MAD checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import checkout
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.errors import NodeError


def make(root: Path, *names: str) -> Path:
    """Make files (or, with a slash at the end, directories) with their own names in them."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    return root


def copied(source: Path, target: Path, keep_out: str = "/nonexistent") -> list[str]:
    """Copy; return the paths of everything in the copy."""
    checkout.copy(checkout.Checkout(str(source), keep_out), str(target), lambda: None)
    return sorted(str(path.relative_to(target)) for path in target.rglob("*"))


def test_copy_leaves_out_what_an_earlier_run_made(tmp_path: Path) -> None:
    """Results count only at the top, where madengine writes them; history, caches and environments everywhere."""
    source = make(
        tmp_path / "MAD",
        *("models.json", "scripts/a/run.sh", "scripts/a/perf_reference.csv", "empty/"),
        *("perf.csv", "perf_entry.json", "perf.html", "a.ubuntu.live.log", "run_directory/x", "build_manifest.json"),
        *(".git/HEAD", "scripts/.git/HEAD", "scripts/__pycache__/x.pyc", "venv/pyvenv.cfg", "venv/bin/python"),
    )
    assert copied(source, tmp_path / "work") == [
        "empty",
        "models.json",
        "scripts",
        "scripts/a",
        "scripts/a/perf_reference.csv",
        "scripts/a/run.sh",
    ]


def test_copy_keeps_modes_times_and_bytes(tmp_path: Path) -> None:
    """A script stays executable, a read-only directory can be filled and stays usable."""
    source = make(tmp_path / "MAD", "scripts/run.sh")
    (source / "scripts/run.sh").write_bytes(b"\x00\xff")
    (source / "scripts/run.sh").chmod(0o755)
    os.utime(source / "scripts/run.sh", (1, 2))
    (source / "scripts").chmod(0o555)
    copied(source, tmp_path / "work")
    copy = tmp_path / "work/scripts/run.sh"
    assert (copy.read_bytes(), oct(copy.stat().st_mode)[-3:], copy.stat().st_mtime) == (b"\x00\xff", "755", 2)
    assert oct(copy.parent.stat().st_mode)[-3:] == "755"
    (source / "scripts").chmod(0o755)


def test_copy_keeps_links_and_mends_those_that_lead_out(tmp_path: Path) -> None:
    """A link inside stays relative; one that leads out by a relative way still leads to the same place."""
    source = make(tmp_path / "MAD", "a/file")
    for name, target in {"in": "a/file", "out": "../data", "whole": "/opt/data", "loop": "."}.items():
        (source / name).symlink_to(target)
    (source / "a" / "up").symlink_to("../a/file")
    copied(source, tmp_path / "work")
    links = {name: str((tmp_path / "work" / name).readlink()) for name in ("in", "out", "whole", "loop", "a/up")}
    assert links == {
        "in": "a/file",
        "out": str(tmp_path / "data"),
        "whole": "/opt/data",
        "loop": ".",
        "a/up": "../a/file",
    }


def test_copy_does_not_swallow_itself(tmp_path: Path) -> None:
    """A state directory inside the checkout is left out, and so are pipes and sockets."""
    source = make(tmp_path / "MAD", "models.json", "state/runs/r/rank0/work" + os.sep)
    os.mkfifo(source / "pipe")
    found = copied(source, source / "state/runs/r/rank0/work" / "copy", str(source / "state/runs"))
    assert found == ["models.json", "state"]


def test_checkout_that_is_a_link_is_followed(tmp_path: Path) -> None:
    """~/MAD may be a link to the place where the checkout is."""
    make(tmp_path / "real", "models.json")
    (tmp_path / "MAD").symlink_to("real")
    assert copied(tmp_path / "MAD", tmp_path / "work") == ["models.json"]


def test_checkout_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    """The container of an earlier run may have left files that belong to root."""
    source = make(tmp_path / "MAD", "models.json")
    found = checkout.Checkout(str(source), "/nonexistent")
    (source / "models.json").unlink()
    with pytest.raises(NodeError) as caught:
        checkout.copy(found, str(tmp_path / "work"), lambda: None)
    assert caught.value.message == (
        f"the MAD checkout cannot be copied: {source}/models.json: No such file or directory"
    )
    with pytest.raises(NodeError, match="cannot be copied"):
        checkout.Checkout(str(tmp_path / "nothing"), "/nonexistent")


def test_copy_ends_when_the_check_says_so(tmp_path: Path) -> None:
    """A stop request is seen between two files."""
    source = make(tmp_path / "MAD", "a", "b", "c")
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise NodeError("stopped")

    with pytest.raises(NodeError, match="stopped"):
        checkout.copy(checkout.Checkout(str(source), "/nonexistent"), str(tmp_path / "work"), check)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["a"]
