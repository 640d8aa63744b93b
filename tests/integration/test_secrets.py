# SPDX-License-Identifier: GPL-3.0-or-later
"""A password, however given, and the values of --env-file go nowhere beyond where the user put them.

The whole machine is looked at while a run is going on: every process of the control side and of the nodes (they are
all processes of this machine), the files of both, and afterwards all that was said and recorded.
"""

from __future__ import annotations

import json
import os
import pty
import re
import secrets
import stat
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.options import ClusterOptions
from tests.cluster.processes import all_pids
from tests.integration.launching import LAUNCHER, REPOSITORY, Launch, environment, read_events
from tests.integration.rank_files import rank_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

pytestmark = [pytest.mark.cluster, pytest.mark.namespace]

TICKS = 8
"""How long the model of these runs lasts, in half seconds."""
TEMPORARY = (Path("/tmp"), Path("/dev/shm"), Path("/run/user"))


@pytest.fixture(scope="module")
def locked(_namespaces: bool) -> Iterator[Cluster]:  # noqa: FBT001 - a fixture
    """Two nodes that nobody enters without the password, which is as long and odd as they come."""
    if not _namespaces:
        pytest.skip("needs root, for nodes in network namespaces")
    with Cluster(2, options=ClusterOptions(password=f"pa ss'{secrets.token_hex(16)}\"$é")) as made:
        for node in made.nodes:
            node.accept_key(accepted=False)
        yield made


@dataclass
class Running:
    """A launch that is going on, with what was said so far."""

    process: subprocess.Popen[bytes]
    state: Path
    home: Path
    out: Path
    err: Path
    terminal: int | None = None

    def wait_for(self, text: str, timeout_s: float = 60.0) -> None:
        """Wait until standard output has a text."""
        deadline = time.monotonic() + timeout_s
        while text not in self.out.read_text():
            assert self.process.poll() is None, self.err.read_text() + self.out.read_text()
            assert time.monotonic() < deadline, self.err.read_text() + self.out.read_text()
            time.sleep(0.1)

    def end(self) -> Launch:
        """Wait for the end."""
        code = self.process.wait(90)
        if self.terminal is not None:
            os.close(self.terminal)
        return Launch(code, read_events(self.out.read_text().splitlines()), self.err.read_text())


@dataclass
class Found:
    """Where a secret was found."""

    places: list[str] = field(default_factory=list)

    def look_at_processes(self, needle: bytes, except_pid: int) -> None:
        """Look at the arguments and the environment of every process but one."""
        for pid in all_pids():
            for name in ("cmdline", "environ"):
                try:
                    content = Path(f"/proc/{pid}/{name}").read_bytes()
                except OSError:
                    continue
                if needle in content and pid != except_pid:
                    self.places.append(f"process {pid} {name}")

    def look_at_files(self, needle: bytes, folders: Iterable[Path]) -> None:
        """Look at all files below folders; a file that goes away meanwhile had its time."""
        for folder in folders:
            for path in folder.rglob("*"):
                try:
                    if path.is_file() and not path.is_symlink() and needle in path.read_bytes():
                        self.places.append(str(path))
                except OSError:
                    continue


def start(
    cluster: Cluster, folder: Path, words: list[str], variables: dict[str, str], terminal: int | None = None
) -> Running:
    """Start a run that lasts some seconds, in a home of its own."""
    state, home = folder / "state", folder / "home"
    home.mkdir()
    out, err = folder / "out", folder / "err"
    env = environment(state, HOME=str(home), **variables)
    env.pop("SSH_AUTH_SOCK", None)
    access = cluster.access
    argv = [*LAUNCHER, "--nodes", cluster.nodes_arg(), "--ssh-user", access.user, f"--ssh-args={access.ssh_args()}"]
    argv += ["--model", "demo_sleep", "--env", f"DEMO_SECONDS={TICKS}", "--env", "DEMO_TICK_S=0.5", "--output", "json"]
    prefix = [] if terminal is None else ["setsid", "--ctty"]
    with out.open("wb") as out_stream, err.open("wb") as err_stream:
        process = subprocess.Popen(
            [*prefix, *cluster.prefix(REPOSITORY), *argv, *words],
            env=env,
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=out_stream,
            stderr=err_stream,
        )
    return Running(process, state, home, out, err)


def places(cluster: Cluster, running: Running, needle: str) -> list[str]:
    """Everywhere on this machine, its control side and its nodes where a text is, but the launcher itself."""
    found = Found()
    secret = core(needle)
    found.look_at_processes(secret, running.process.pid)
    # The nodes' own files lie below the cluster's, which are below /tmp; those of other tests are not ours to read.
    ours = [path for folder in TEMPORARY for path in folder.glob("*") if _is_ours(path)]
    nodes = [node.home for node in cluster.nodes] + [node.path("/tmp") for node in cluster.nodes]
    found.look_at_files(secret, [running.state, running.home, *ours, *nodes, cluster.shared])
    found.look_at_files(secret, [node.path("/run/node") for node in cluster.nodes])
    return found.places


def core(text: str) -> bytes:
    """The part of a secret that looks the same however it is quoted or escaped."""
    found = re.search(r"[0-9a-f]{16,}", text)
    assert found
    return found[0].encode()


def _is_ours(path: Path) -> bool:
    return path.name.startswith(
        ("madlaunch-", "mad-", "ansible", "psm_", "sem.", "pymp-")
    ) and not path.name.startswith(("madlaunch-cluster-", "madlaunch-tests-"))


def _memory_of_ansible(found: list[str]) -> list[str]:
    """The places that are the memory in which Ansible hands the password to ssh; check that nobody else can read it."""
    memory = [place for place in found if place.startswith("/dev/shm/psm_")]
    for place in memory:
        try:
            status = os.stat(place)  # noqa: PTH116 - a text all along
        except FileNotFoundError:
            continue
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, os.getuid())
    return memory


def _by_flag(folder: Path, password: str) -> tuple[list[str], dict[str, str]]:
    del folder
    return ["--ssh-password", password], {}


def _by_file(folder: Path, password: str) -> tuple[list[str], dict[str, str]]:
    path = folder / "password"
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return ["--ssh-password-file", str(path)], {}


def _by_environment(folder: Path, password: str) -> tuple[list[str], dict[str, str]]:
    del folder
    return [], {"MADLAUNCH_SSH_PASSWORD": password}


def _by_terminal(folder: Path, password: str) -> tuple[list[str], dict[str, str]]:
    del folder, password
    return ["--ask-pass"], {}


WAYS: dict[str, Callable[[Path, str], tuple[list[str], dict[str, str]]]] = {
    "flag": _by_flag,
    "file": _by_file,
    "environment": _by_environment,
    "terminal": _by_terminal,
}


@pytest.mark.parametrize("way", WAYS)
def test_password_when_a_run_is_going_on_then_it_is_nowhere_else(locked: Cluster, tmp_path: Path, way: str) -> None:
    """In no other process and in no file but shared memory of mode 0600; afterwards nowhere at all."""
    password = locked.access.password
    words, variables = WAYS[way](tmp_path, password)
    if way == "terminal":
        running = _start_at_a_terminal(locked, tmp_path, words, password)
    else:
        running = start(locked, tmp_path, words, variables)
    running.wait_for('"text": "tick 1 of')
    during = places(locked, running, password)
    assert [place for place in during if place not in _memory_of_ansible(during)] == []
    done = running.end()
    assert done.returncode == 0, (done.errors, done.stderr)
    assert places(locked, running, password) == []
    said = running.out.read_text() + running.err.read_text()
    assert core(password) not in said.encode()
    warned = "--ssh-password is visible in the process list" in done.stderr
    assert warned == (way == "flag")
    record = (running.state / "runs" / done.outcome["run_id"] / "run.json").read_text()
    assert locked.access.user in record
    assert core(password) not in record.encode()


def _start_at_a_terminal(cluster: Cluster, folder: Path, words: list[str], password: str) -> Running:
    """Start a run at a terminal and type the password when it is asked for."""
    leader, follower = pty.openpty()
    running = start(cluster, folder, words, {}, follower)
    os.close(follower)
    shown = b""
    while b"SSH password: " not in shown:
        shown += os.read(leader, 1024)
    os.write(leader, password.encode() + b"\n")
    return replace(running, terminal=leader)


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_password_when_wrong_then_said_at_once(locked: Cluster, tmp_path: Path, way: str) -> None:
    """Exit code 3 and one finding per node that says what to look at; no password in it, and no long wait."""
    wrong = f"wrong {secrets.token_hex(8)}"
    words, variables = WAYS[way](tmp_path, wrong)
    before_s = time.monotonic()
    done = start(locked, tmp_path, words, variables).end()
    assert time.monotonic() - before_s < 30
    assert (done.returncode, done.outcome["state"]) == (3, "preflight")
    assert done.errors == [("reach", node.address) for node in locked.nodes]
    for finding in done.findings:
        assert "password" in finding["message"] + finding["seen"] + finding["fix"]
    assert wrong not in json.dumps(done.events) + done.stderr


@pytest.mark.parametrize("version", ["1", "2"])
def test_env_file_when_a_run_is_going_on_then_its_values_are_masked(
    locked: Cluster, tmp_path: Path, version: str
) -> None:
    """The values are in context.json on the node, in the launcher's private file, and in what madengine itself writes.

    madengine prints its context and its docker command; so the log has them, which is the very bytes of the node.
    """
    value = f'token \\ "{secrets.token_hex(16)}" $é'
    (tmp_path / "vars.env").write_text(f"TOKEN={value}\n")
    for node in locked.nodes:
        program = node.home / f"madengine{version}"
        if not program.is_symlink():
            program.symlink_to("/run/demo/madengine")
    words, variables = _by_environment(tmp_path, locked.access.password)
    words += ["--env-file", str(tmp_path / "vars.env")]
    words += ["--madengine-path", f"/home/{locked.access.user}/madengine{version}"]
    running = start(locked, tmp_path, words, variables)
    running.wait_for('"text": "tick 1 of')
    during = [place for place in places(locked, running, value) if not place.startswith("process ")]
    processes = [place for place in places(locked, running, value) if place.startswith("process ")]
    done = running.end()
    assert done.returncode == 0, (done.errors, done.stderr)
    assert [place for place in processes if place.endswith("cmdline")] == []
    contexts = [rank_directory(done, node, rank) / "context.json" for rank, node in enumerate(locked.nodes)]
    assert [(stat.S_IMODE(path.stat().st_mode), core(value) in path.read_bytes()) for path in contexts] == [
        (0o600, True)
    ] * 2
    logs = {str(path.with_name("log")) for path in contexts} | {rank["log_path"] for rank in done.outcome["ranks"]}
    # The file by which Ansible was given the values is gone as soon as it has read them.
    rest = set(during) - {str(path) for path in contexts} - logs
    assert {place for place in rest if "work" not in Path(place).parts} == set()
    after = set(places(locked, running, value)) - {str(path) for path in contexts} - logs
    assert {place for place in after if "work" not in Path(place).parts} == set()
    said = running.out.read_text() + running.err.read_text()
    assert core(value) not in said.encode()
    record = running.state / "runs" / done.outcome["run_id"] / "run.json"
    assert core(value) not in record.read_bytes()


def test_password_in_the_inventory_when_used_then_masked_in_the_record(locked: Cluster, tmp_path: Path) -> None:
    """An inventory may hold ansible_password: it works, and neither events nor record have it."""
    password = locked.access.password
    variables = {
        "ansible_user": locked.access.user,
        "ansible_password": password,
        "ansible_ssh_common_args": locked.access.ssh_args(),
    }
    inventory = tmp_path / "cluster.yml"
    hosts: dict[str, dict[str, str]] = {node.address: {} for node in locked.nodes}
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    argv = [*LAUNCHER, "-i", str(inventory), "--model", "demo_env", "--output", "json"]
    done = locked.run(argv, cwd=REPOSITORY, env=environment(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    found = Found()
    found.look_at_files(core(password), [tmp_path / "state", *(node.home for node in locked.nodes)])
    assert found.places == []
    assert core(password) not in (done.stdout + done.stderr).encode()
