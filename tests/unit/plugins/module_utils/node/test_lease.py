# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a rank."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import lease


def test_renew_writes_the_moment_and_the_terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is read again, with milliseconds."""
    monkeypatch.setattr(lease, "now_s", lambda: 123456.7891)
    lease.renew(str(tmp_path / "lease"), 60)
    assert lease.read(str(tmp_path / "lease")) == (123456.789, 60.0)


def test_renew_keeps_size_and_file(tmp_path: Path) -> None:
    """It is overwritten in place, so that a full disk cannot end a run."""
    path = tmp_path / "lease"
    lease.renew(str(path), 60)
    first = path.stat()
    lease.renew(str(path), 0)
    assert (path.stat().st_ino, path.stat().st_size) == (first.st_ino, first.st_size) == (first.st_ino, 32)
    terms = lease.read(str(path))
    assert terms is not None
    assert terms[1] == 0


@pytest.mark.parametrize("text", ["", "1", "a b", "1 2 3", "\xff\xfe"], ids=repr)
def test_read_of_a_damaged_lease_is_none(tmp_path: Path, text: str) -> None:
    """The supervisor then goes on with the lease it knows."""
    (tmp_path / "lease").write_text(text, encoding="latin-1")
    assert lease.read(str(tmp_path / "lease")) is None
    assert lease.read(str(tmp_path / "missing")) is None


def test_now_is_the_time_since_boot() -> None:
    """Not the wall clock, which people and NTP set."""
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(lease.now_s() - uptime_s) < 1
