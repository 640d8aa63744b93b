# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system says of the limits of this login."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from ansible_collections.madlaunch.multinode.plugins.module_utils._limits import Machine
from ansible_collections.madlaunch.multinode.plugins.plugin_utils import _machine

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_machine_when_read_from_files_then_the_tighter_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container has less than its machine."""
    limits = {resource.RLIMIT_NOFILE: 512, resource.RLIMIT_NPROC: 100}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], resource.RLIM_INFINITY))
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:   2000 kB\n")
    ports = tmp_path / "sys/net/ipv4/ip_local_port_range"
    ports.parent.mkdir(parents=True)
    ports.write_text("32768\t60999\n")
    for name, text in {
        "memory.max": "900000",
        "memory.current": "100000",
        "pids.max": "max",
        "pids.current": "9",
    }.items():
        (tmp_path / name).write_text(text + "\n")
    assert _machine.machine(tmp_path, tmp_path) == Machine(512, 100, 800000, 28232)


def test_machine_when_nothing_can_be_read_then_nothing_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another system than Linux."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert _machine.machine(tmp_path, tmp_path) == Machine()


def test_machine_when_asked_here_then_says_something_sensible() -> None:
    """The real one."""
    found = _machine.machine()
    assert found.memory_bytes is not None
    assert found.memory_bytes > 1_000_000
    assert found.ports is not None
    assert found.ports > 1000
