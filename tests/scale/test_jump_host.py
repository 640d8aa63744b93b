# SPDX-License-Identifier: GPL-3.0-or-later
"""All hosts behind one jump host, whose server takes ten logins at a time and turns others away by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, read_events

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scale.conftest import MakeHosts

HOSTS = 64


@pytest.mark.timeout(600)
def test_launch_when_64_hosts_are_behind_one_jump_host_then_all_train(make_hosts: MakeHosts, tmp_path: Path) -> None:
    """Who was turned away comes again, and the log says why it was slow."""
    cluster = make_hosts(HOSTS + 1)
    jump, *hosts = cluster.nodes
    user, key = cluster.access.user, str(cluster.access.key)
    words = ["--nodes", ",".join(f"{host.address}:{host.port}" for host in hosts), "--ssh-user", user, "--ssh-key", key]
    words += ["--jump-host", f"{user}@{jump.address}:{jump.port}", "--host-key-checking", "off", *cluster.job_args]
    argv = [*LAUNCHER, *words, "--model", "trains", "--nproc-per-node", "1", "--output", "json"]
    done = cluster.run(argv, cwd=REPOSITORY, env=environment(tmp_path), timeout_s=500)
    launch = Launch(done.returncode, read_events(done.stdout.splitlines()), done.stderr)
    assert launch.errors == [], launch.findings[:3]
    assert (launch.returncode, len(launch.outcome["ranks"])) == (0, HOSTS), launch.outcome["reason"]
    turned_away = (cluster.base / jump.name / "sshd.log").read_text().count("MaxStartups")
    notes = [event["text"] for event in launch.of("note") if "turned away" in event["text"]]
    print(f"\n{turned_away} logins were turned away by the jump host, {len(notes)} hosts said so")
    assert turned_away > 0, "the jump host let all in at once, which tests nothing"
    assert notes
