# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: verbs, flags, help, errors; what it hands over is caught by a fake engine."""

from __future__ import annotations

import os
import pty
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from madlaunch import cli
from madlaunch.errors import LauncherError
from madlaunch.secrets import Secret
from madlaunch.settings_verbs import settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from madlaunch.job import Launch
    from madlaunch.settings_model import Setting


class FakeEngine:
    """Keeps the launch that it was given and ends with a code of its own."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []

    def __call__(self, launch: Launch) -> int:
        """Keep the launch."""
        self.launches.append(launch)
        return 42


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """A fake engine, in an environment without settings and without an allocation."""
    for name in [name for name in os.environ if name.startswith(("MADLAUNCH_", "SLURM_"))]:
        monkeypatch.delenv(name)
    return FakeEngine()


def _launch(engine: FakeEngine, *words: str) -> Launch:
    """Return the one launch that the words make."""
    assert cli.main(words, engine=engine) == 42
    (launch,) = engine.launches
    return launch


@pytest.fixture
def home_with_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with ~/.ssh/id_rsa."""
    key = tmp_path / ".ssh" / "id_rsa"
    key.parent.mkdir()
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n", encoding="utf-8")
    key.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


# --- the examples of the README -------------------------------------------------------------------------------------


def test_seed_example_with_key_when_run_then_reaches_inventory_and_variables(
    engine: FakeEngine, home_with_key: Path
) -> None:
    """Basic usage: two addresses, another address of the master, a key from home."""
    launch = _launch(
        engine,
        *("--model", "pyt_megatron_lm_train_llama2_7b", "--nodes", "192.168.1.1,192.168.1.2"),
        *("--master-addr", "192.168.0.1", "--ssh-user", "ubuntu", "--ssh-key", "~/.ssh/id_rsa"),
        *("--shared-data-path", "/nfs/data"),
    )
    group = launch.request.inventory["all"]
    assert group["hosts"] == {
        "192.168.1.1": {"ansible_host": "192.168.1.1", "node_rank": 0},
        "192.168.1.2": {"ansible_host": "192.168.1.2", "node_rank": 1},
    }
    assert group["vars"]["ansible_user"] == "ubuntu"
    assert group["vars"]["ansible_ssh_private_key_file"] == str(home_with_key / ".ssh" / "id_rsa")
    assert group["vars"]["shared_data_path"] == "/nfs/data"
    assert launch.request.extra_vars["model"] == "pyt_megatron_lm_train_llama2_7b"
    assert launch.request.extra_vars["master_addr"] == "192.168.0.1"
    assert launch.job.master == "192.168.0.1:4000"
    assert launch.job.notes == ()


def test_seed_example_with_password_when_run_then_works_and_warns_once(engine: FakeEngine) -> None:
    """The password is a secret, and is in no variable."""
    launch = _launch(
        engine,
        *("--model", "pyt_megatron_lm_train_llama2_7b", "--nodes", "node1.cluster.com,node2.cluster.com"),
        *("--ssh-user", "root", "--ssh-password", "mypassword", "--shared-data-path", "/shared/data"),
    )
    assert launch.request.secrets.ssh_password == Secret("mypassword")
    assert "mypassword" not in f"{launch.request.inventory}{launch.request.extra_vars}{launch.job}"
    assert [note.split(" is visible", 1)[0] for note in launch.job.notes] == ["--ssh-password"]


def test_seed_example_with_everything_when_run_then_reaches_its_places(engine: FakeEngine, home_with_key: Path) -> None:
    """Advanced configuration, with a value that starts with dashes."""
    launch = _launch(
        engine,
        *("--model", "pyt_megatron_lm_train_llama2_7b", "--nodes", "192.168.1.10,192.168.1.11,192.168.1.12"),
        *("--master-addr", "192.168.1.10", "--master-port", "5000", "--ssh-user", "mluser"),
        *("--ssh-key", str(home_with_key / ".ssh" / "id_rsa"), "--shared-data-path", "/mnt/nfs/datasets"),
        *("--nccl-interface", "eth0", "--gloo-interface", "eth0", "--timeout", "7200"),
        *("--additional-args", "--some-extra-flag"),
    )
    variables = launch.request.extra_vars
    told = {name: variables[name] for name in ("master_addr", "master_port", "timeout_s", "additional_args")}
    assert told == {
        "master_addr": "192.168.1.10",
        "master_port": 5000,
        "timeout_s": 7200,
        "additional_args": "--some-extra-flag",
    }
    group = launch.request.inventory["all"]["vars"]
    assert (group["nccl_interface"], group["gloo_interface"]) == ("eth0", "eth0")
    assert [host["node_rank"] for host in launch.request.inventory["all"]["hosts"].values()] == [0, 1, 2]


# --- verbs and words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "mode"),
    [([], "run"), (["run"], "run"), (["check"], "check"), (["render"], "render")],
    ids=["none", "run", "check", "render"],
)
def test_verb_when_given_or_left_out_then_decides_the_mode(engine: FakeEngine, words: list[str], mode: str) -> None:
    """Flags without a verb are a run."""
    assert _launch(engine, *words, "--model", "tag", "--nodes", "a").job.mode == mode


@pytest.mark.parametrize("row", [row for row in settings_of("run") if row.kind == "value"], ids=lambda row: row.name)
def test_flag_when_its_value_starts_with_dashes_then_the_value_is_not_taken_for_a_flag(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], row: Setting[str]
) -> None:
    """The next word is the value, whatever it looks like; where it is not allowed, the refusal names the flag."""
    code = cli.main(["--model", "tag", "--nodes", "a", row.flag, "--x"], engine=engine)
    if row.flag in {"--additional-args", "--ssh-args", "--ssh-password"}:
        assert (code, capsys.readouterr().err) == (42, "")
    else:
        assert code == 2
        assert capsys.readouterr().err.startswith(f"error: {row.flag}: ")


def test_words_when_there_are_none_but_the_environment_has_settings_then_it_is_a_run(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment says is enough."""
    monkeypatch.setenv("MADLAUNCH_MODEL", "tag")
    monkeypatch.setenv("MADLAUNCH_NODES", "a")
    launch = _launch(engine)
    assert (launch.job.mode, launch.job.model) == ("run", "tag")


def test_switch_when_negated_then_beats_the_environment(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """--no-in-place takes back MADLAUNCH_IN_PLACE=1."""
    monkeypatch.setenv("MADLAUNCH_IN_PLACE", "1")
    assert _launch(engine, "--model", "tag", "--nodes", "a", "--no-in-place").request.extra_vars["in_place"] is False


def test_flag_when_repeated_then_lists_grow_and_values_are_replaced(engine: FakeEngine) -> None:
    """--env and --skip-check are lists; of two --model the last one counts."""
    launch = _launch(
        engine,
        *("--nodes", "a", "--model", "x", "--model", "tag", "--env", "A=1", "--env", "B=2"),
        *("--skip-check", "clock", "--skip-check=gpus,forks"),
    )
    variables = launch.request.extra_vars
    assert variables["model"] == "tag"
    assert variables["container_env"] == {"A": "1", "B": "2"}
    assert variables["skip_checks"] == ["clock", "gpus", "forks"]


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["--modle", "x"],
            [
                "error: No such option: --modle",
                "allowed: flags, each with its value; a value with spaces in quotes",
                "next: did you mean .*--model.*\\? launcher.py run --help lists the flags",
            ],
        ),
        (
            ["check", "--model"],
            [
                "error: Option '--model' requires an argument",
                "allowed: flags, each with its value; a value with spaces in quotes",
                "next: launcher.py check --help lists the flags",
            ],
        ),
        (
            ["start"],
            [
                "error: 'start' is not a verb",
                "allowed: run, check, render, status, logs, attach, stop, list, collect, or flags alone for a run",
                "next: launcher.py --help",
            ],
        ),
        (
            ["--model", "tag", "--nodes", "a", "--master-port", "99999"],
            [
                "error: --master-port: '99999' is not a port \\(from the command line\\)",
                "allowed: a whole number from 1 to 65535",
                "next: correct --master-port; launcher.py run --help explains it",
            ],
        ),
        (
            ["--model", "tag", "--nodes", "a", "--timeout", "-5"],
            [
                "error: --timeout: '-5' is too small: it must be 0 or more \\(from the command line\\)",
                "allowed: whole seconds, at most a year; 0 for no limit",
                "next: correct --timeout; launcher.py run --help explains it",
            ],
        ),
        (
            ["--ssh-password=x", "check"],
            [
                "error: the verb comes first: launcher.py check --ssh-password ...",
                "allowed: one verb, then the flags",
                "next: launcher.py check --help lists the flags",
            ],
        ),
    ],
    ids=["unknown-flag", "no-value", "unknown-verb", "bad-value", "too-small", "late-verb"],
)
def test_usage_error_when_made_then_has_three_parts_and_exit_code_2(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str], words: list[str], lines: list[str]
) -> None:
    """What, allowed, next step: on standard error, without a traceback or a box."""
    assert cli.main(words, engine=engine) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    told = shown.err.splitlines()
    assert len(told) == len(lines)
    assert [line for line, pattern in zip(told, lines, strict=True) if not re.fullmatch(pattern, line)] == []
    assert engine.launches == []


def test_error_when_the_engine_cannot_go_on_then_its_code_and_message_are_given(
    engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors of the launcher end in one place; an interrupt is 130."""

    def fail(_launch: Launch) -> int:
        msg = "Ansible is not there"
        raise LauncherError(msg, next_step="pip install -r requirements.txt")

    def interrupt(_launch: Launch) -> int:
        raise KeyboardInterrupt

    assert engine.launches == []
    assert cli.main(["--model", "tag", "--nodes", "a"], engine=fail) == 5
    assert capsys.readouterr().err == "error: Ansible is not there\nnext: pip install -r requirements.txt\n"
    assert cli.main(["--model", "tag", "--nodes", "a"], engine=interrupt) == 130


def test_password_when_in_the_environment_then_no_child_inherits_it(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken out of the environment before anything is started."""
    monkeypatch.setenv("MADLAUNCH_SSH_PASSWORD", "hunter2")
    assert _launch(engine, "--model", "tag", "--nodes", "a").request.secrets.ssh_password == Secret("hunter2")
    assert "MADLAUNCH_SSH_PASSWORD" not in os.environ


# --- help -----------------------------------------------------------------------------------------------------------


def _run(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run launcher.py for real, with its output in pipes."""
    return subprocess.run(
        [sys.executable, repository / "launcher.py", *words], capture_output=True, text=True, check=False, timeout=30
    )


def test_help_when_not_on_a_terminal_then_is_plain_text_with_every_flag(repository: Path) -> None:
    """No boxes, no colors; every flag under the heading of its group, and the examples."""
    done = _run(repository, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert [
        row.flag for row in settings_of("run") if not re.search(rf"^  (-\w, )?{row.flag}\b", done.stdout, re.MULTILINE)
    ] == []
    assert [group for group in {row.group for row in settings_of("run")} if f"\n{group}:\n" not in done.stdout] == []
    assert max(len(line) for line in done.stdout.splitlines() if not line.startswith("  launcher.py")) <= 100


def test_help_when_on_a_terminal_then_has_a_panel_per_group(repository: Path) -> None:
    """On a terminal Typer's panels are shown, one per group."""
    leader, follower = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen([sys.executable, repository / "launcher.py", "-h"], stdout=follower, env=environ) as process:
        os.close(follower)
        shown = b"".join(iter(lambda: _read(leader), b"")).decode()
    os.close(leader)
    assert process.returncode == 0
    assert [group for group in {row.group for row in settings_of("run")} if f" {group} " not in shown] == []
    assert "node[01-16]" in shown


def _read(leader: int) -> bytes:
    """Return what the terminal shows, nothing at its end (Linux says EIO when the last writer has gone)."""
    try:
        return os.read(leader, 65536)
    except OSError:
        return b""


def test_help_when_no_words_are_given_then_shown_with_exit_code_2(repository: Path) -> None:
    """A launcher that was told nothing has launched nothing."""
    done = _run(repository)
    assert done.returncode == 2
    assert done.stdout.startswith("Usage: launcher.py [run] [FLAGS]\n")


def test_help_when_of_check_then_leaves_out_what_only_turns_a_run_into_it(repository: Path) -> None:
    """The verbs have no flag for themselves."""
    done = _run(repository, "check", "--help")
    assert done.stdout.startswith("Usage: launcher.py check [FLAGS]\n")
    assert "--check-only" not in done.stdout
    assert "--skip-check" in done.stdout


def test_launcher_when_a_requirement_is_missing_then_says_what_to_install(repository: Path) -> None:
    """One line, no traceback: -S leaves out everything that is installed."""
    words = [sys.executable, "-S", "-E", str(repository / "launcher.py"), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("error: the Python module 'typer' is missing in ")
    assert done.stderr.endswith(": pip install -r requirements.txt (or run .venv/bin/python launcher.py)\n")
    assert done.stderr.count("\n") == 1


def test_version_when_asked_for_then_is_one_line(repository: Path) -> None:
    """Also through ``python -m madlaunch``."""
    done = _run(repository, "--version")
    module = subprocess.run(
        [sys.executable, "-m", "madlaunch", "--version"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert re.fullmatch(r"madlaunch \d+\.\d+\.\d+\n", done.stdout)
    assert module.stdout == done.stdout


def test_launcher_file_when_in_the_repository_then_is_not_executable(repository: Path) -> None:
    """It is run by ``python launcher.py``, so that the right interpreter is used."""
    assert stat.S_IMODE((repository / "launcher.py").stat().st_mode) & 0o111 == 0
