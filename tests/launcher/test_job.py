# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings to a launch: nodes, mode, request, notes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from madlaunch.errors import UsageError
from madlaunch.job import make_run_id
from madlaunch.request import ConsoleOptions
from madlaunch.secrets import Secret
from tests.launcher.settling import RUN_ID, launch

if TYPE_CHECKING:
    from madlaunch.request import Mode


def test_run_id_when_made_then_tells_the_time_in_utc() -> None:
    """Ids sort by time."""
    assert make_run_id(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "abcd") == RUN_ID


def test_launch_when_of_two_nodes_then_request_and_job_are_complete() -> None:
    """The whole of what the session gets, apart from inventory and variables, which have their own tests."""
    made = launch(nodes="a,u@b:2222", master_port="5000", timeout="60", log_dir="/logs", output="json", verbose="yes")
    request, job = made.request, made.job
    assert (request.playbook, request.check_mode, request.inventory_sources, request.limit) == (
        "launch.yml",
        False,
        (),
        None,
    )
    assert (request.forks, request.environment, request.run_id) == (5, {}, RUN_ID)
    assert request.record_dir == Path("/state/runs") / RUN_ID
    assert request.extra_vars["log_dir"] == f"/logs/{RUN_ID}"
    assert (job.run_id, job.mode, job.model, job.nodes, job.master) == (RUN_ID, "run", "tag", ("a", "b"), "a:5000")
    assert (job.shared_data_path, job.timeout_s, job.log_dir) == ("/nfs/data", 60, Path(f"/logs/{RUN_ID}"))
    assert job.notes == ()
    assert made.options == ConsoleOptions("json", verbose=True)


@pytest.mark.parametrize(
    ("verb", "flags", "expected"),
    [
        ("run", {}, ("run", "launch.yml", False)),
        ("check", {}, ("check", "check.yml", False)),
        ("render", {}, ("render", "launch.yml", True)),
        ("run", {"check_only": "yes"}, ("check", "check.yml", False)),
        ("run", {"dry_run": "yes"}, ("render", "launch.yml", True)),
    ],
    ids=["run", "check", "render", "check-only", "dry-run"],
)
def test_mode_when_a_verb_or_a_switch_is_given_then_the_playbook_follows(
    verb: Mode, flags: dict[str, Any], expected: tuple[str, str, bool]
) -> None:
    """The verbs check and render are the switches of run."""
    made = launch(verb, nodes="a", **flags)
    assert (made.job.mode, made.request.playbook, made.request.check_mode) == expected


def test_mode_when_check_and_dry_run_are_asked_for_then_refused() -> None:
    """One contacts the hosts, the other never does."""
    with pytest.raises(UsageError, match="--dry-run: a dry run contacts no host"):
        launch("check", nodes="a", dry_run="yes")


def test_launch_when_no_model_or_no_nodes_then_says_what_is_missing() -> None:
    """The two things that have no default."""
    with pytest.raises(UsageError, match="no model is named: --model is required"):
        launch(nodes="a", model=())
    with pytest.raises(UsageError, match="no nodes are named"):
        launch()


def test_launch_when_an_inventory_is_given_then_only_given_values_go_along(tmp_path: Path) -> None:
    """Logins are Ansible's defaults (environment), host values come last in the group all, all hosts start at once."""
    (tmp_path / "hosts.yml").touch()
    made = launch(
        cwd=tmp_path, inventory="hosts.yml", limit="rack1:!n3", nccl_interface="eth0", ssh_user="u", timeout="60"
    )
    assert made.request.inventory == {"all": {"vars": {"nccl_interface": "eth0"}}}
    assert made.request.inventory_sources == (str(tmp_path / "hosts.yml"),)
    assert (made.request.limit, made.request.forks) == ("rack1:!n3", 4096)
    assert made.request.environment["ANSIBLE_REMOTE_USER"] == "u"
    assert "BatchMode" not in made.request.environment["ANSIBLE_SSH_ARGS"]
    assert made.request.extra_vars == {
        "model": "tag",
        "timeout_s": 60,
        "run_id": RUN_ID,
        "log_dir": f"/state/runs/{RUN_ID}",
    }
    assert (made.job.nodes, made.job.master) == ((), "")


def test_nodes_when_named_twice_from_one_source_then_refused() -> None:
    """--nodes, --hostfile and --inventory exclude each other."""
    with pytest.raises(UsageError, match="the nodes are named twice, here and with --inventory"):
        launch(nodes="a", inventory="b,")


def test_nodes_when_named_by_two_sources_then_the_flag_wins_and_it_is_told() -> None:
    """A list in the environment does not stand in the way of a flag."""
    made = launch(environ={"MADLAUNCH_NODES": "x,y"}, inventory="a,b")
    assert made.request.inventory_sources == ("a,b",)
    assert made.job.notes == (
        "--nodes from environment variable MADLAUNCH_NODES is not used: --inventory names the nodes",
    )


def test_nodes_when_in_a_slurm_allocation_then_it_is_the_last_resort() -> None:
    """The allocation is used, and told, only when nothing else names nodes."""
    environ = {"SLURM_JOB_NODELIST": "gpu[01-02]"}
    made = launch(environ=environ)
    assert made.job.nodes == ("gpu01", "gpu02")
    assert made.job.notes == ("the 2 nodes of the Slurm allocation are used (SLURM_JOB_NODELIST=gpu[01-02])",)
    assert launch(environ=environ, nodes="a").job.nodes == ("a",)


def test_nodes_when_from_a_hostfile_then_slots_are_told(tmp_path: Path) -> None:
    """Slots of other launchers do not silently mean something else."""
    (tmp_path / "hosts").write_text("b slots=8\na slots=8\n", encoding="utf-8")
    made = launch(cwd=tmp_path, hostfile="hosts")
    assert made.job.nodes == ("b", "a")
    assert made.job.notes == ("the slots in hosts are not used: one madengine runs per host (see --nproc-per-node)",)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"nodes": "a,b,a"}, "--nodes: host 'a' is named twice: entry 1 and entry 3 (from the command line)"),
        ({"nodes": "n[2-1]"}, "--nodes: entry 1: '2-1' in 'n[2-1]' runs backwards (from the command line)"),
        ({"nodes": ""}, "--nodes: the list of nodes is empty (from the command line)"),
        ({"nodes": "a", "limit": "b"}, "--limit: it filters the hosts of an Ansible inventory, and there is none"),
        ({"hostfile": "hosts"}, "--hostfile: '/nonexistent/hosts' cannot be read: No such file or directory"),
    ],
    ids=["twice", "range", "empty", "limit", "no-hostfile"],
)
def test_nodes_when_unusable_then_the_flag_and_the_reason_are_told(flags: dict[str, Any], problem: str) -> None:
    """A bad list never becomes a launch."""
    with pytest.raises(UsageError) as caught:
        launch(**flags)
    assert caught.value.problem.startswith(problem)


def test_master_when_it_names_a_later_node_then_that_becomes_rank_0() -> None:
    """Rank 0 owns the master address; the move is told."""
    made = launch(nodes="a,b,c", master_addr="b")
    hosts = made.request.inventory["all"]["hosts"]
    assert {name: values["node_rank"] for name, values in hosts.items()} == {"b": 0, "a": 1, "c": 2}
    assert made.job.notes == ("b becomes rank 0, because --master-addr names it",)


def test_master_when_it_is_ipv6_then_is_shown_in_brackets() -> None:
    """An address with colons needs them beside a port."""
    assert launch(nodes="[2001:db8::1],b").job.master == "[2001:db8::1]:4000"


def test_forks_when_many_nodes_then_all_at_once() -> None:
    """Ranks that start in waves would wait for each other in vain."""
    assert launch(nodes="n[1-300]").request.forks == 300
    assert launch(nodes="n[1-300]", forks="50").request.forks == 50


def test_batch_mode_when_there_is_a_password_then_ssh_may_ask() -> None:
    """BatchMode would keep ssh from asking for the password that Ansible answers with."""
    with_password = launch(nodes="a", ask_pass="yes")
    assert with_password.request.secrets.ssh_password == Secret("typed")
    assert "BatchMode" not in with_password.request.inventory["all"]["vars"]["ansible_ssh_args"]
    assert "BatchMode=yes" in launch(nodes="a").request.inventory["all"]["vars"]["ansible_ssh_args"]


def test_host_keys_when_not_checked_then_told() -> None:
    """Nobody switches trust off unawares."""
    assert launch(nodes="a", host_key_checking="off").job.notes == (
        "host keys are not checked: another machine could answer for a node and see the password",
    )
