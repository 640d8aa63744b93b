# SPDX-License-Identifier: GPL-3.0-or-later
"""The three doors to one launch, to be used alike: the launcher, ansible-playbook on what is installed, a job of AWX.

Hosts have their addresses as names in all of them, so that what they tell of a run can be compared as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.awx import shape
from tests.awx.nodes import inventory
from tests.integration.launching import LAUNCHER, REPOSITORY, environment
from tests.integration.running import Running, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.cluster import Cluster

# What is told of a rank, in all doors. The rest are times and places.
TOLD = ("host", "node_rank", "state", "reason", "exit_code", "signal", "performance", "clean", "left")
# The ansible-playbook that the second and the third door use, for a run of the tests with another ansible-core.
PLAYBOOK = os.environ.get("MADLAUNCH_TEST_ANSIBLE_PLAYBOOK", "")


@cache
def core() -> tuple[int, int]:
    """Return the version of ansible-core that the second and the third door have, without its last part."""
    command = [PLAYBOOK or str(Path(sys.executable).parent / "ansible-playbook"), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    major, minor, *_rest = said.partition("[core ")[2].split(".")
    return int(major), int(minor)


def programs() -> str:
    """Return the PATH of the doors that are not the launcher."""
    own = os.environ["PATH"]
    return f"{Path(PLAYBOOK).parent}:{own}" if PLAYBOOK else own


@dataclass(frozen=True)
class Told:
    """What a door tells of a run that has ended."""

    good: bool
    state: str
    first_failure: int | None
    ranks: list[dict[str, Any]]

    @classmethod
    def of(cls, outcome: dict[str, Any], *, good: bool) -> Told:
        """Take it out of the outcome of a run, or of the summary of one."""
        first = outcome["first_failure"]
        ranks = [{name: rank[name] for name in TOLD} for rank in outcome["ranks"]]
        return cls(good, outcome["state"], first and first["node_rank"], ranks)


@dataclass(frozen=True)
class Going:
    """A launch that goes on: wait for a line of rank 0, then for its end."""

    run_id: str
    wait_for: Callable[[str], object]
    end: Callable[[], Told]


@dataclass
class Door(ABC):
    """A way to the first two nodes of `cluster`; what it keeps on the control side is below `state`."""

    cluster: Cluster
    state: Path
    _count: int = field(default=0, init=False)

    @abstractmethod
    def launch(self, model: str, **container_env: str) -> contextlib.AbstractContextManager[Going]:
        """Start a run; end what is left of it on the control side with the block."""

    @abstractmethod
    def stop(self, run_id: str) -> bool:
        """Stop a run; return whether all hosts were seen to be clean."""

    @abstractmethod
    def collect(self, run_id: str) -> Told:
        """Bring a run home that has ended."""

    @property
    def addresses(self) -> list[str]:
        """The names of the hosts, in the order of their ranks."""
        return [node.address for node in self.cluster.hosts[:2]]

    def _next(self) -> int:
        self._count += 1
        return self._count


class LauncherDoor(Door):
    """`python launcher.py`, with JSON lines to read."""

    @contextlib.contextmanager
    def launch(self, model: str, **container_env: str) -> Iterator[Going]:
        """Start a run."""
        words = [*self.cluster.launcher_args(), "--model", model, "--grace-s", "2"]
        words[words.index("--nodes") + 1] = ",".join(self.addresses)
        for name, value in container_env.items():
            words += ["--env", f"{name}={value}"]
        with self._called(*words) as started:
            run_id = str(started.wait_for_event("begin")["run_id"])
            yield Going(run_id, lambda text: started.wait_for_text(0, text), lambda: self._told(started))

    def stop(self, run_id: str) -> bool:
        """Stop it by its record."""
        with self._called("stop", run_id) as started:
            return started.end() == 0

    def collect(self, run_id: str) -> Told:
        """Collect it by its record."""
        with self._called("collect", run_id) as started:
            return self._told(started)

    def _called(self, *words: str) -> contextlib.AbstractContextManager[Running]:
        verb, rest = (words[:1], words[1:]) if not words[0].startswith("-") else ((), words)
        return running(self.cluster, [*LAUNCHER, *verb, "--output", "json", *rest], environment(self.state))

    @staticmethod
    def _told(started: Running) -> Told:
        done = started.finish()
        return Told.of(done.outcome, good=done.returncode == 0)


class PlaybookDoor(Door):
    """`ansible-playbook madlaunch.multinode.launch`, on the collection as it is built and installed."""

    @contextlib.contextmanager
    def launch(self, model: str, **container_env: str) -> Iterator[Going]:
        """Start a run under an id of our own."""
        run_id = f"estate-{secrets.token_hex(4)}"
        given = {"model": model, "grace_s": 2, "container_env": container_env, "run_id": run_id}
        with self._played("launch", given) as (started, log_dir):
            label = f"[{self.addresses[0]}:0] "
            yield Going(
                run_id,
                lambda text: started.wait_for(lambda line: line == label + text),
                lambda: self._told(started, log_dir),
            )

    def stop(self, run_id: str) -> bool:
        """Run the playbook that stops."""
        with self._played("stop", {"run_id": run_id}) as (started, _log_dir):
            return started.end() == 0

    def collect(self, run_id: str) -> Told:
        """Run the playbook that collects."""
        with self._played("collect", {"run_id": run_id}) as (started, log_dir):
            return self._told(started, log_dir)

    @contextlib.contextmanager
    def _played(self, playbook: str, given: dict[str, object]) -> Iterator[tuple[Running, Path]]:
        log_dir = self.state / f"{playbook}-{self._next()}"
        document = inventory(self.cluster, self.addresses)
        hosts = {"hosts": document["_meta"]["hostvars"], "vars": self.cluster.inventory_vars()}
        (self.state / "inventory.json").write_text(json.dumps({"training": hosts}))
        words = ["ansible-playbook", "-i", str(self.state / "inventory.json"), f"madlaunch.multinode.{playbook}"]
        words += ["--forks", "16", "-e", json.dumps({**given, "log_dir": str(log_dir)})]
        with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as home:
            env = environment(self.state, HOME=home, PATH=programs(), ANSIBLE_NOCOLOR="1", PYTHONUNBUFFERED="1")
            env["ANSIBLE_COLLECTIONS_PATH"] = str(self._installed())
            with running(self.cluster, words, env, cwd=self.state) as started:
                yield started, log_dir

    def _installed(self) -> Path:
        folder = self.state / "installed"
        if not folder.exists():
            build = ["ansible-galaxy", "collection", "build", "--output-path", str(self.state), str(REPOSITORY)]
            subprocess.run(build, check=True, capture_output=True)
            archive = next(self.state.glob("madlaunch-multinode-*.tar.gz"))
            install = ["ansible-galaxy", "collection", "install", "--offline", "-p", str(folder), str(archive)]
            subprocess.run(install, check=True, capture_output=True, env=environment(self.state, HOME=str(self.state)))
        return folder

    @staticmethod
    def _told(started: Running, log_dir: Path) -> Told:
        code = started.end(90)
        summary = log_dir / "summary.json"
        assert summary.exists(), "\n".join([line.text for line in started.lines[-20:]] + [started.errors()])
        return Told.of(json.loads(summary.read_text())["outcome"], good=code == 0)


class AwxDoor(Door):
    """Jobs of AWX, of a project that was updated once; their artifacts tell of the run."""

    @contextlib.contextmanager
    def launch(self, model: str, **container_env: str) -> Iterator[Going]:
        """Start a job of the template that launches, with the answers to its survey."""
        lines = "\n".join(f"{name}={value}" for name, value in container_env.items())
        answers = {"model": model, "grace_s": 2, "container_env": lines, "run_id": "", "master_addr": ""}
        with self._job("launch", answers) as (job, job_id):
            label = f"[{self.addresses[0]}:0] "
            yield Going(f"mad-{job_id}", lambda text: job.wait_for(label + text), lambda: self._told(job))

    def stop(self, run_id: str) -> bool:
        """Start a job of the template that stops."""
        with self._job("stop", {"run_id": run_id}) as (job, _job_id):
            return job.end() == "successful"

    def collect(self, run_id: str) -> Told:
        """Start a job that collects."""
        with self._job("collect", {"run_id": run_id}) as (job, _job_id):
            return self._told(job)

    @contextlib.contextmanager
    def _job(self, playbook: str, answers: dict[str, object]) -> Iterator[tuple[shape.Job, int]]:
        if not (self.state / "project").exists():
            shape.update_project(self.state)
        project = shape.Project(self.state / "project", self.state / "requirements_collections")
        hosts = inventory(self.cluster, self.addresses)
        job_id = secrets.randbelow(10**9)
        given = shape.Given(hosts, answers, job_id)
        path = str(Path(PLAYBOOK).parent) if PLAYBOOK else ""
        with shape.job(self.cluster, project, shape.Template(f"playbooks/{playbook}.yml"), given, path) as job:
            yield job, job_id

    @staticmethod
    def _told(job: shape.Job) -> Told:
        status = job.end()
        assert "madlaunch" in job.artifacts, "\n".join([*job.shown[-40:], job.started.errors()])
        return Told.of(job.artifacts["madlaunch"], good=status == "successful")


DOORS: tuple[type[Door], ...] = (LauncherDoor, PlaybookDoor, AwxDoor)
