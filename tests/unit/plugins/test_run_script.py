# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that runs on a node: whole texts, and what arrives at madengine when a shell runs it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _command

if TYPE_CHECKING:
    from pathlib import Path

PLAN: dict[str, Any] = {
    "model": "pyt_megatron_lm_train_llama2_7b",
    "nnodes": 2,
    "master_addr": "192.168.0.1",
    "master_port": 4000,
    "timeout_s": 7200,
    "runner": "torchrun",
    "additional_args": ["--some-extra-flag"],
    "container_env": {"NCCL_DEBUG": "INFO"},
}
HOST: dict[str, Any] = {
    "host": "192.168.1.2",
    "node_rank": 1,
    "nccl_interface": "ens14np0",
    "gloo_interface": "ens14np0",
    "shared_data_path": "/nfs/data",
    "madengine_path": "/opt/madengine/bin/madengine",
    "nproc_per_node": 8,
}
FACTS: dict[str, Any] = {
    "run_id": "mad-20260301-120000-9f3c",
    "node_rank": 1,
    "nnodes": 2,
    "host": "192.168.1.2",
    "work_dir": "",
}
HOSTILE = [
    "",
    "two words",
    'a"b',
    "it's",
    "$HOME",
    "`id`",
    "$(id)",
    "line\nbreak",
    "; id",
    "-x",
    "é\u2028",
    "\\",
    "*",
    "!",
]
# A madengine that writes down what it was given.
RECORDER = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["MADLAUNCH_RANK_DIR"] + "/seen.json", "w") as seen:
    json.dump({{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}}, seen)
"""


def quote(value: object) -> str:
    """Quote as the filter of ansible.builtin does: an undefined or empty value becomes ''."""
    return shlex.quote("" if value is None else str(value))


@pytest.fixture(name="render", params=[False, True], ids=["ansible", "lstrip"])
def _render(repository: Path, request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - a function with keyword arguments
    """Render the role's template the way Ansible does, and with lstrip_blocks, which must make no difference."""
    environment = jinja2.Environment(  # noqa: S701 - shell, not HTML
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=request.param
    )
    environment.filters["quote"] = quote
    text = (repository / "roles/job/templates/run.sh.j2").read_text(encoding="utf-8")

    def render(command: _command.Command, **facts: object) -> str:
        return environment.from_string(text).render(script=_command.script(command, {**FACTS, **facts}))

    return render


@pytest.mark.parametrize("major", [1, 2])
def test_script_is_this_whole_text(render: Any, repository: Path, major: int) -> None:  # noqa: ANN401
    """The text is part of the interface: people read it and run it again. Compare with the file in tests/golden."""
    golden = repository / f"tests/golden/run_v{major}.sh"
    assert render(_command.build(PLAN, HOST, major)) == golden.read_text(encoding="utf-8")


def test_top_level_template_is_a_relative_link_to_the_roles(repository: Path) -> None:
    """One template: the folder that people look into first links to the one that is installed."""
    link = repository / "templates/run.sh.j2"
    assert link.readlink().as_posix() == "../roles/job/templates/run.sh.j2"
    assert link.is_file()


@pytest.fixture(name="rank_dir")
def _rank_dir(tmp_path: Path) -> Path:
    """Make a run directory whose name needs quoting, and a recorder as madengine."""
    rank_dir = tmp_path / "state of $USER" / "rank1"
    (rank_dir / "work").mkdir(parents=True)
    recorder = tmp_path / "madengine"
    recorder.write_text(RECORDER, encoding="utf-8")
    recorder.chmod(0o700)
    return rank_dir


def run(rank_dir: Path, text: str, **env: str) -> dict[str, Any]:
    """Run the script with `sh` and return what madengine saw."""
    script = rank_dir / "run.sh"
    script.write_text(text, encoding="utf-8")
    home = {"PATH": os.environ["PATH"], "HOME": str(rank_dir.parent)}
    subprocess.run(["sh", str(script)], check=True, env={**home, **env}, cwd="/", timeout=20)
    seen: dict[str, Any] = json.loads((rank_dir / "seen.json").read_text(encoding="utf-8"))
    return seen


@pytest.mark.parametrize("major", [1, 2])
def test_script_hands_every_word_over_unchanged(render: Any, rank_dir: Path, major: int) -> None:  # noqa: ANN401
    """No quote, dollar, newline or space is acted on by the shell; files are named by their place on the node."""
    host = {**HOST, "madengine_path": str(rank_dir.parent.parent / "madengine")}
    command = _command.build({**PLAN, "additional_args": HOSTILE}, host, major)
    seen = run(rank_dir, render(command))
    expected = [
        f"{rank_dir}/{word}" if index in command.rank_dir_args else word for index, word in enumerate(command.argv)
    ]
    assert seen["argv"] == expected[1:]
    assert seen["cwd"] == str(rank_dir / "work")


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_script_exports_values_unchanged(render: Any, rank_dir: Path, value: str) -> None:  # noqa: ANN401
    """The environment of madengine has each value as it is."""
    command = _command.Command((str(rank_dir.parent.parent / "madengine"),), {"VALUE": value}, None)
    assert run(rank_dir, render(command))["env"]["VALUE"] == value


def test_script_clears_what_a_login_left_behind(render: Any, rank_dir: Path) -> None:  # noqa: ANN401
    """MODEL_DIR would be copied over the work directory, RANK would reach the container; ROCm comes first in PATH."""
    command = _command.Command((str(rank_dir.parent.parent / "madengine"),), {}, None)
    env = run(rank_dir, render(command), MODEL_DIR="/x", RANK="7", MAD_LAUNCHER_TYPE="slurm_multi")["env"]
    assert {"MODEL_DIR", "RANK", "MAD_LAUNCHER_TYPE"} & set(env) == set()
    assert env["PATH"] == f"/opt/rocm/bin:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("work_dir", "below"),
    [("MAD dir", "MAD dir"), ("~/MAD dir", "MAD dir"), ("{home}/MAD dir", "MAD dir")],
    ids=["relative-to-home", "tilde", "absolute"],
)
def test_script_works_in_the_checkout_when_told_so(render: Any, rank_dir: Path, work_dir: str, below: str) -> None:  # noqa: ANN401
    """With --in-place the checkout itself is the working directory."""
    home = rank_dir.parent
    (home / below).mkdir()
    command = _command.Command((str(home.parent / "madengine"),), {}, None)
    seen = run(rank_dir, render(command, work_dir=work_dir.format(home=home)))
    assert seen["cwd"] == str(home / below)


def test_script_uses_the_run_directory_that_the_supervisor_names(render: Any, rank_dir: Path) -> None:  # noqa: ANN401
    """The supervisor's word counts more than where the script lies."""
    other = rank_dir.parent / "other"
    (other / "work").mkdir(parents=True)
    command = _command.Command((str(rank_dir.parent.parent / "madengine"),), {}, None)
    (rank_dir / "run.sh").write_text(render(command), encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "HOME": "/", "MADLAUNCH_RANK_DIR": str(other)}
    subprocess.run(["sh", str(rank_dir / "run.sh")], check=True, env=env, timeout=20)
    assert json.loads((other / "seen.json").read_text(encoding="utf-8"))["cwd"] == str(other / "work")


def test_script_keeps_names_in_its_comment_when_they_have_line_breaks(render: Any, rank_dir: Path) -> None:  # noqa: ANN401
    """A name in the header cannot become a command."""
    command = _command.Command((str(rank_dir.parent.parent / "madengine"),), {}, None)
    text = render(command, run_id="r\ntouch broken #", host="h'\nexit 3\n")
    assert run(rank_dir, text)["argv"] == []
    assert [line for line in text.splitlines() if "broken" in line or "exit 3" in line] == [
        r"""# Run 'r\ntouch broken #': rank 1 of 2, host 'h'"'"'\nexit 3\n'."""
    ]


def test_script_stops_when_there_is_no_work_directory(render: Any, rank_dir: Path) -> None:  # noqa: ANN401
    """Without its directory madengine must not run anywhere else."""
    (rank_dir / "work").rmdir()
    command = _command.Command((str(rank_dir.parent.parent / "madengine"),), {}, None)
    with pytest.raises(subprocess.CalledProcessError):
        run(rank_dir, render(command))
    assert not (rank_dir / "seen.json").exists()
