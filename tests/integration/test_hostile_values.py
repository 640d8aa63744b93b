# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that a shell, a template or an option parser would act on: they arrive unchanged, or are refused by name.

Most of them try to make a file called `canary`; there must never be one, neither here nor on a node.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from madlaunch import cli
from tests.integration.dry_running import DryRun, dry_run
from tests.integration.launching import launch
from tests.integration.rank_files import container_environment, rank_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster


CANARY = "canary"
KINDS = {
    "quote": "a'; touch canary; 'b",
    "double-quote": 'a"; touch canary; "b',
    "dollar": "a$(touch canary)$HOME",
    "backtick": "a`touch canary`b",
    "newline": "a\ntouch canary\nb",
    "space": "a  b",
    "semicolon": "a; touch canary",
    "dash": "--upload-pack=touch canary",
    "non-ascii": "é雪",
    "template": "{{ lookup('pipe', 'touch canary') }}{{ 7*7 }}",
    "percent": "%h%n{%",
    "number": "1.10",
    "boolean": "yes",
    "two-quotes": "''",
}
NAME_LIKE = {"number", "boolean"}
"""What is a host, a login or an interface as well."""

# Per flag, the kinds that are refused before Ansible is started; all others go on.
ONE_LINE = {"newline", "dash"}
NO_NAME = set(KINDS) - NAME_LIKE
FIT_FOR_V1 = {"newline", "dash", "non-ascii", *NAME_LIKE}
"""madengine 1 can have these as well: no single quotes in variables, no signs of the shell in its working directory."""
REFUSED = {
    "model": ONE_LINE,
    "additional-args": set(),
    "env": set(),
    "madengine-path": ONE_LINE,
    "mad-dir": ONE_LINE,
    "shared-data-path": {"newline"},
    "node-state-dir": ONE_LINE,
    "log-dir": ONE_LINE,
    "nodes": NO_NAME,
    "ssh-user": NO_NAME,
    "master-addr": NO_NAME,
    "nccl-interface": NO_NAME,
    "gloo-interface": NO_NAME,
    "runner": ONE_LINE,
    "jump-host": NO_NAME,
    "ssh-args": set(),
}
PLAN_REFUSES = ("shared-data-path", "runner")
"""Their rules are madengine's, so the collection has them."""


def _word(flag: str, text: str) -> str:
    """One word of the command line that gives a text by a flag."""
    if flag in {"additional-args", "ssh-args"}:
        # These are taken apart as a shell would, so a user quotes in them as well.
        text = shlex.quote(text)
    if flag == "env":
        text = f"HOSTILE={text}"
    if flag == "shared-data-path":
        text = f"/{text}"
    return f"--{flag}={text}"


@pytest.fixture
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("MADLAUNCH_", "SLURM_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _keep(launches: list[Any], launch: Any) -> int:  # noqa: ANN401 - counted, not looked at
    launches.append(launch)
    return 0


@pytest.mark.usefixtures("_no_settings")
@pytest.mark.parametrize("flag", REFUSED)
def test_hostile_value_when_no_use_then_refused_by_name(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly the listed kinds are refused by the launcher, each with exit code 2, the flag and the value."""
    for kind, text in KINDS.items():
        launches: list[Any] = []
        words = ["--model", "tag", "--nodes", "a", _word(flag, text)]
        code = cli.main(words, engine=partial(_keep, launches))
        said = capsys.readouterr().err
        assert (kind, code, len(launches)) == (kind, *((2, 0) if kind in REFUSED[flag] else (0, 1)))
        if kind in REFUSED[flag]:
            assert said.startswith(f"error: --{flag}: ")
            # A list of nodes is taken apart first, so the message names the part that is wrong.
            assert any(repr(part)[1:-1] in said for part in (text, text.strip(), *text.split(","), text.split("@")[-1]))
            assert "\nallowed: " in said
            assert "\nnext: " in said


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_value_when_accepted_then_madengine_gets_it_unchanged(tmp_path: Path, kind: str) -> None:
    """All flags that take this text get it at once; the scripts are then run as on a node, with a fake madengine."""
    text = KINDS[kind]
    flags = [flag for flag, refused in REFUSED.items() if kind not in refused and flag not in PLAN_REFUSES]
    words = [_word(flag, text) for flag in flags]
    words += [] if "nodes" in flags else ["--nodes", "a"]
    words += [] if "model" in flags else ["--model", "tag"]
    if kind != "newline":
        (tmp_path / "vars.env").write_text(f"FROM_FILE=hidden {text}\n")
        words += ["--env-file", "vars.env"]
    done = dry_run(tmp_path, *words, "--in-place", "--output", "json")
    assert done.returncode == 0, (done.stderr, done.stdout[-2000:])
    (rendered,) = done.of("render")
    # madengine 1 writes single quotes around a value and escapes nothing, and does not quote its working directory.
    assert list(rendered["scripts"]) == (["1", "2"] if kind in FIT_FOR_V1 else ["2"])
    for version in rendered["scripts"]:
        _assert_runs_unchanged(done, version, tmp_path, dict.fromkeys(flags, text))
    (plan,) = [event["plan"] for event in done.of("plan")]
    if "log-dir" in flags:
        assert Path(plan["log_dir"]).parent == tmp_path / text
    assert _canaries(tmp_path) == []


def _assert_runs_unchanged(done: DryRun, version: str, folder: Path, given: dict[str, str]) -> None:
    """Run one script in a sandbox below `folder` and compare what its madengine saw."""
    home = folder / f"node{version}"
    work, rank_dir = home / given.get("mad-dir", "MAD"), home / "rank"
    for directory in (work, rank_dir, home / "bin"):
        directory.mkdir(parents=True)
    name = given.get("madengine-path", "madengine")
    fake = home / "bin" / name
    fake.write_text(
        "#!/usr/bin/python3\nimport json, os, sys\n"
        "json.dump([sys.argv, os.getcwd(), dict(os.environ)], open(os.environ['SEEN'], 'w'))\n"
    )
    fake.chmod(0o755)
    script = rank_dir / "run.sh"
    script.write_text(done.script(0, version))
    seen = home / "seen.json"
    env = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "SEEN": str(seen), "LANG": "C.UTF-8"}
    subprocess.run(["sh", str(script)], check=True, cwd=home, env=env)
    argv, cwd, variables = json.loads(seen.read_text())
    assert Path(argv[0]).name == name
    assert argv[3] == given.get("model", "tag")
    assert argv[-1] == given["additional-args"]
    assert Path(cwd) == work
    context = json.loads(done.files(0, version)["context.json"])["docker_env_vars"]
    assert context["HOSTILE"] == given["env"]
    assert context.get("FROM_FILE", "***") == "***"
    if version == "2" and "nccl-interface" in given:
        names = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "MASTER_ADDR")
        assert {variables[name] for name in names} == {given["nccl-interface"]}


def test_hostile_connection_values_when_accepted_then_ssh_gets_them_unchanged(tmp_path: Path) -> None:
    """The inventory that Ansible is given has every word of --ssh-args as it was, and a login like `yes` is a text."""
    texts = list(KINDS.values())
    words = ["--nodes", "1.10,yes", "--ssh-user", "yes", f"--ssh-args={shlex.join(texts)}"]
    done = dry_run(tmp_path, "--model", "tag", *words)
    assert done.returncode == 0, done.stderr
    import yaml

    inventory = yaml.safe_load(done.stdout.partition("\nInventory:\n")[2].partition("\n\n===")[0])["all"]
    assert shlex.split(inventory["vars"]["ansible_ssh_args"])[: len(texts)] == texts
    assert inventory["vars"]["ansible_user"] == "yes"
    assert {name: host["ansible_host"] for name, host in inventory["hosts"].items()} == {"1.10": "1.10", "yes": "yes"}


@pytest.mark.parametrize(
    ("flag", "kind"),
    [
        ("shared-data-path", "space"),
        ("shared-data-path", "dollar"),
        ("shared-data-path", "quote"),
        ("runner", "semicolon"),
        ("runner", "template"),
    ],
)
def test_hostile_value_when_madengine_could_not_carry_it_then_the_plan_is_refused(
    tmp_path: Path, flag: str, kind: str
) -> None:
    """What reaches a shell within madengine is refused before any host is contacted: exit code 2, and the value."""
    text = _word(flag, KINDS[kind]).partition("=")[2]
    done = dry_run(tmp_path, "--model", "tag", "--nodes", "a", _word(flag, KINDS[kind]), "--madengine-version", "2")
    assert done.returncode == 2
    assert repr(text) in done.stdout + done.stderr
    said, advice = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "next: "))]
    assert said.startswith(f"error: --{flag}: {text!r} ")
    assert advice.startswith("next: ")
    assert "task '" not in done.stdout + done.stderr
    assert _canaries(tmp_path) == []


@pytest.mark.parametrize("flag", ["node-state-dir", "mad-dir"])
def test_hostile_work_directory_when_v1_then_refused(tmp_path: Path, flag: str) -> None:
    """Madengine 1 puts its working directory into a shell command without quotes, so that version alone refuses."""
    folder = "/srv/$(touch canary)"
    words = ["--model", "tag", "--nodes", "a", f"--{flag}={folder}", *(["--in-place"] if flag == "mad-dir" else [])]
    both = dry_run(tmp_path, *words, "--output", "json")
    (rendered,) = both.of("render")
    assert (list(rendered["scripts"]), list(rendered["refused"])) == (["2"], ["1"])
    assert repr(folder) in rendered["refused"]["1"]
    alone = dry_run(tmp_path, *words, "--madengine-version", "1")
    assert alone.returncode == 2
    assert repr(folder) in alone.stdout + alone.stderr
    assert _canaries(tmp_path) == []


def _canaries(folder: Path) -> list[Path]:
    """The canaries below a folder, and where a stray shell would most likely put one."""
    here = [Path(name) / CANARY for name in (".", Path.home(), "/tmp", "/")]
    return [*folder.rglob(CANARY), *(path for path in here if path.exists())]


# --- on real nodes --------------------------------------------------------------------------------------------------


@pytest.fixture
def two(node_cluster: Cluster) -> Iterator[Cluster]:
    """The test cluster, whose nodes must have no canary afterwards."""
    yield node_cluster
    for node in node_cluster.nodes:
        found = node.exec(["find", "/home", "/root", "/tmp", "/run", "/nfs", "-name", CANARY]).stdout
        assert found in ("", b"")


@pytest.mark.cluster
@pytest.mark.namespace
@pytest.mark.parametrize("version", ["1", "2"])
def test_hostile_values_when_run_then_the_container_has_them(two: Cluster, tmp_path: Path, version: str) -> None:
    """A checkout, a state directory, a log directory and a program with odd names; values with line breaks."""
    values = {
        f"HOSTILE_{index}": text for index, text in enumerate(KINDS.values()) if version == "2" or "'" not in text
    }
    # madengine 1 cannot work below such a path, see test_hostile_work_directory_when_v1_then_refused.
    folder = f'o\'dd $(touch canary) "{version}"'
    state = f"{folder}/st;ate" if version == "2" else "plain-state"
    home = f"/home/{two.access.user}"
    for node in two.nodes[:2]:
        (node.home / folder).mkdir()
        shutil.copytree(node.home / "MAD", node.home / folder / "M A'D", copy_function=shutil.copy)
        (node.home / folder / f"madengine{version}").symlink_to("/run/demo/madengine")
        node.exec(["chown", "-R", two.access.user, f"{home}/{folder}"])
    words = ["--model", "demo_env", "--nodes", ",".join(node.address for node in two.nodes[:2])]
    words += [f"--mad-dir={folder}/M A'D", f"--node-state-dir={home}/{state}"]
    words += [f"--madengine-path={home}/{folder}/madengine{version}", f"--log-dir={tmp_path}/{folder}"]
    words += [f"--env={name}={text}" for name, text in values.items()]
    done = launch(two, tmp_path, *words)
    assert done.returncode == 0, (done.errors, done.stderr, done.outcome)
    for rank, node in enumerate(two.nodes[:2]):
        assert rank_directory(done, node, rank, node.home / state).is_dir()
        assert container_environment(done.lines(rank)).items() >= values.items()
    assert Path(done.outcome["ranks"][0]["log_path"]).is_relative_to(tmp_path / folder)
    assert _canaries(tmp_path) == []


@pytest.mark.cluster
@pytest.mark.namespace
@pytest.mark.parametrize("kind", ["dollar", "quote"])
def test_hostile_model_when_nodes_are_asked_then_it_is_not_known_there(two: Cluster, tmp_path: Path, kind: str) -> None:
    """The preflight asks madengine on the node for the tag as it is, and names it."""
    node = two.nodes[0]
    done = launch(two, tmp_path, "--model", KINDS[kind], "--nodes", node.address)
    assert (done.returncode, done.errors) == (3, [("model", node.address)])
    (finding,) = [item for item in done.findings if item["check"] == "model"]
    assert KINDS[kind] in finding["message"] + finding["seen"]
    assert _canaries(tmp_path) == []


@pytest.mark.cluster
@pytest.mark.namespace
def test_hostile_ssh_args_when_used_then_ssh_reads_them_as_quoted(two: Cluster, tmp_path: Path) -> None:
    """A known_hosts file whose name has a space: only it knows the node, so ssh must have read it."""
    known = tmp_path / "known hosts; touch canary"
    shutil.copy(two.access.known_hosts, known)
    ssh_args = shlex.join(["-o", f'UserKnownHostsFile="{known}"', "-o", "GlobalKnownHostsFile=/dev/null"])
    words = ["--check-only", "--host-key-checking", "strict", "--model", "demo_env", "--nodes", two.nodes[0].address]
    done = launch(two, tmp_path, *words, f"--ssh-args={ssh_args}")
    assert done.returncode == 0, (done.errors, done.stderr)
    assert _canaries(tmp_path) == []
