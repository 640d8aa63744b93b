# SPDX-License-Identifier: GPL-3.0-or-later
"""A dry run shows the very scripts that would run, and contacts nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.namespaces import can_unshare
from tests.integration.dry_running import DryRun, dry_run
from tests.integration.launching import LAUNCHER, REPOSITORY, environment, launch
from tests.integration.rank_files import logins, rank_directory

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster


GOLDEN = REPOSITORY / "tests" / "golden"
RUN_ID = re.compile(r"mad-\d{8}-\d{6}-[0-9a-f]{4}")
FIXED_ID = "mad-20260102-030405-abcd"
SECRET = "s3cret value"
WHOLE = (
    *("--model", "demo_train", "--nodes", "node[01-02]", "--ssh-user", "mluser", "--ssh-port", "2222"),
    *("--env", "GREETING=two words; $HOME", "--env-file", "secrets.env", "--timeout", "7200"),
    *("--additional-args", "--keep-alive '--odd=a b'", "--gloo-interface", "auto"),
)


@pytest.mark.parametrize("version", ["1", "2", "auto"])
def test_dry_run_when_shown_then_is_this_whole_text(tmp_path: Path, version: str) -> None:
    """Settings with their sources, inventory, and per rank the script and the files beside it; no secret value."""
    (tmp_path / "secrets.env").write_text(f"TOKEN={SECRET}\n")
    done = dry_run(tmp_path, *WHOLE, "--madengine-version", version)
    assert (done.returncode, done.stderr) == (0, "")
    assert SECRET not in done.stdout
    name = f"dry_run_{version if version == 'auto' else f'v{version}'}.txt"
    assert _without_id(done) == (GOLDEN / name).read_text(encoding="utf-8")


def test_dry_run_when_text_is_asked_for_then_its_scripts_are_those_of_json(tmp_path: Path) -> None:
    """People and programs are shown the same."""
    words = ("--model", "tag", "--nodes", "a,b", "--nproc-per-node", "8", "--nccl-interface", "eth0")
    text, lines = dry_run(tmp_path, *words), dry_run(tmp_path, *words, "--output", "json")
    assert (text.returncode, lines.returncode) == (0, 0)
    for rank in (0, 1):
        for version in ("1", "2"):
            script = RUN_ID.sub(FIXED_ID, lines.script(rank, version))
            assert script.rstrip("\n") in RUN_ID.sub(FIXED_ID, text.stdout)
    assert [event["unknown"] for event in lines.of("render")] == [[], []]


def test_dry_run_when_a_value_is_only_known_on_the_host_then_is_marked(tmp_path: Path) -> None:
    """Count of GPUs and interface `auto`: a placeholder in angle brackets, listed per rank."""
    done = dry_run(tmp_path, "--model", "tag", "--nodes", "a,b", "--nccl-interface", "auto", "--output", "json")
    # Each comes as soon as it is rendered.
    rendered = sorted(done.of("render"), key=lambda event: event["node_rank"])
    assert [event["unknown"] for event in rendered] == [
        [f"<interface of the route from {host} to a>", f"<GPU count of {host}>"] for host in ("a", "b")
    ]
    assert "NPROC_PER_NODE='<GPU count of b>'" in done.script(1, "2")


def test_dry_run_when_one_version_cannot_carry_a_value_then_the_other_is_shown(tmp_path: Path) -> None:
    """With version auto a single quote in a variable rules out version 1 alone, and the reason is shown."""
    done = dry_run(tmp_path, "--model", "tag", "--nodes", "a", "--env", "GREETING=it's", "--output", "json")
    (rendered,) = done.of("render")
    assert done.returncode == 0
    assert (list(rendered["scripts"]), list(rendered["refused"])) == (["2"], ["1"])
    assert "GREETING" in rendered["refused"]["1"]


def test_dry_run_when_no_network_exists_then_is_the_same(tmp_path: Path) -> None:
    """In a network namespace without any interface up, with hosts that exist nowhere."""
    if not can_unshare():
        pytest.skip("needs root, for a network namespace")
    words = ("--model", "tag", "--nodes", "192.0.2.1,[2001:db8::1],nowhere.invalid", "--madengine-version", "2")
    alone = dry_run(tmp_path, *words, prefix=["unshare", "--net"])
    assert alone.returncode == 0, alone.stderr
    assert _without_id(alone) == _without_id(dry_run(tmp_path, *words))


def _without_id(done: DryRun) -> str:
    return RUN_ID.sub(FIXED_ID, done.stdout)


@pytest.mark.cluster
@pytest.mark.namespace
@pytest.mark.parametrize("version", ["1", "2"])
def test_dry_run_when_the_run_follows_then_the_nodes_have_those_very_scripts(
    node_cluster: Cluster, tmp_path: Path, version: str
) -> None:
    """run.sh and context.json on each node are the dry run's text, but for the run id and the hidden values."""
    (tmp_path / "secrets.env").write_text(f"TOKEN={SECRET}\n")
    nodes = ",".join(node.address for node in node_cluster.nodes[:2])
    program = f"/home/{node_cluster.access.user}/madengine{version}"
    for node in node_cluster.nodes[:2]:
        (node.home / f"madengine{version}").symlink_to("/run/demo/madengine")
    words = [
        *("--model", "demo_env", "--nodes", nodes, "--madengine-version", version, "--madengine-path", program),
        *("--nproc-per-node", "2", "--env", "GREETING=two words; $HOME", "--env-file", str(tmp_path / "secrets.env")),
        *("--additional-args", "--keep-model-dir", "--mad-dir", "MAD"),
    ]
    before = [logins(node) for node in node_cluster.nodes]
    argv = [*LAUNCHER, *node_cluster.launcher_args(), *words, "--output", "json", "--dry-run"]
    done = node_cluster.run(argv, cwd=REPOSITORY, env=environment(tmp_path))
    dry = DryRun(done.returncode, done.stdout, done.stderr)
    assert dry.returncode == 0, dry.stderr
    assert [logins(node) for node in node_cluster.nodes] == before
    real = launch(node_cluster, tmp_path, *words)
    assert real.returncode == 0, (real.errors, real.stderr)
    for rank, node in enumerate(node_cluster.nodes[:2]):
        directory = rank_directory(real, node, rank)
        on_node = (directory / "run.sh").read_text().replace(real.outcome["run_id"], FIXED_ID)
        assert on_node == RUN_ID.sub(FIXED_ID, dry.script(rank, version))
        context = (directory / "context.json").read_text()
        assert SECRET in context
        assert dry.files(rank, version) == {"context.json": context.replace(SECRET, "***")}


def test_dry_run_when_it_ends_then_leaves_no_record(tmp_path: Path) -> None:
    """A dry run is no run: nothing is written."""
    (tmp_path / "home").mkdir()
    done = dry_run(tmp_path, "--model", "tag", "--nodes", "a", "--output", "json")
    assert done.returncode == 0
    assert not (tmp_path / "state").exists()
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "ok"
