# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook as a job of AWX 24 runs it, without AWX: same folder, environment, variables, command and worker.

What is copied here was read off real jobs: an inventory script that prints one document, extra variables of which all
but those of the template are `!unsafe`, the variables `awx_*` and `tower_*`, the project without its history, the
collections of its `collections/requirements.yml`, the environment, and `ansible-runner worker` fed by a document. What
differs is the path: AWX has the folder at /runner in a container.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.integration.launching import REPOSITORY, environment
from tests.integration.running import Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.cluster.base import AnyCluster

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_INVENTORY = "#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({document!r})\n"
_USER_COLLECTIONS = "~/.ansible/collections:/usr/share/ansible/collections"
# What AWX answers when a line of the output looks like a prompt; no password here, so nothing.
_PROMPTS = ("Enter passphrase for .*", "SSH password", "BECOME password.*", "Password", "Vault password")


@dataclass(frozen=True)
class Project:
    """A project after its update: the checkout, and the collections that were installed for it."""

    checkout: Path
    collections: Path


@dataclass(frozen=True)
class Template:
    """What a job template says: the playbook, its own extra variables, whether it runs or only checks, its timeout."""

    playbook: str
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    timeout_s: int = 0


@dataclass(frozen=True)
class Given:
    """What a job gets at its launch: the inventory, the answers to the survey, and what AWX adds of its own."""

    inventory: Mapping[str, Any]
    answers: Mapping[str, Any] = field(default_factory=dict)
    job_id: int = 4711
    limit: str = ""
    awx: Mapping[str, Any] = field(default_factory=dict)


class _Unsafe(str):
    """A text that is written with the tag !unsafe."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes every text of `_Unsafe` as AWX does."""


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style="'"))


def _unsafe(value: object) -> object:
    if isinstance(value, str):
        return _Unsafe(value)
    if isinstance(value, list):
        return [_unsafe(item) for item in value]
    if isinstance(value, dict):
        return {_Unsafe(name): _unsafe(item) for name, item in value.items()}
    return value


def tracked_files() -> list[str]:
    """Return the files that git has of the clone, and those that it would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return sorted(name for name in set(done.stdout.split("\0")) if name and (REPOSITORY / name).exists())


def check_out(folder: Path) -> Path:
    """Copy what git has of the clone into `folder`."""
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name, follow_symlinks=False)
    return folder


def update_project(folder: Path) -> Project:
    """Do what the update of a project does: check out, then install the requirements with the checkout as cwd."""
    project = Project(check_out(folder / "project"), folder / "requirements_collections")
    install = ["ansible-galaxy", "collection", "install", "-r", "collections/requirements.yml"]
    install += ["--collections-path", str(project.collections)]
    env = environment(folder, HOME=str(folder))
    subprocess.run(install, cwd=project.checkout, env=env, capture_output=True, check=True, timeout=120)
    return project


@dataclass
class Job:
    """A job that goes on, or has ended."""

    started: Running

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the worker has sent so far; the archive of its files, which comes last, is left out."""
        found = []
        for line in self.started.lines:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line.text))
        return [event for event in found if isinstance(event, dict)]

    @property
    def texts(self) -> list[str]:
        """The text of each event that has one, as the output page of the job shows it."""
        return [_COLOR.sub("", event["stdout"]) for event in self.events if event.get("stdout")]

    @property
    def shown(self) -> list[str]:
        """The lines of the output."""
        return [line for text in self.texts for line in text.splitlines()]

    @property
    def status(self) -> str:
        """The state of the job: successful, failed, canceled, running, ..."""
        found = [str(event["status"]) for event in self.events if "status" in event and "event" not in event]
        return found[-1] if found else "unknown"

    @property
    def artifacts(self) -> dict[str, Any]:
        """What the job hands on: the statistics that its playbook set."""
        stats = [event["event_data"] for event in self.events if event.get("event") == "playbook_on_stats"]
        return dict(stats[-1].get("artifact_data") or {}) if stats else {}

    def wait_for(self, line: str, timeout_s: float = 60.0) -> None:
        """Wait until a line is on the output page."""
        # As JSON has it: a line of its own, or between others.
        wanted = json.dumps(line)[1:-1]
        self.started.wait_for(lambda text: wanted in text, timeout_s)

    def end(self, timeout_s: float = 90.0) -> str:
        """Wait for the end; return the state."""
        self.started.end(timeout_s)
        return self.status


@contextlib.contextmanager
def job(cluster: AnyCluster, project: Project, template: Template, given: Given, path: str = "") -> Iterator[Job]:
    """Start a job on the control side of the cluster; `path` is where ansible-playbook is looked for first."""
    with tempfile.TemporaryDirectory(prefix=f"awx_{given.job_id}_", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _write(folder, project, template, given)
        (folder / "input").write_text(json.dumps({"kwargs": _arguments(cluster, folder, template, given)}) + "\n")
        with (folder / "input").open("a") as stream:
            stream.write(json.dumps({"eof": True}) + "\n")
        worker = 'exec ansible-runner worker --private-data-dir="$0" <"$0/input"'
        env = environment(folder, HOME=str(folder))
        env["PATH"] = f"{path}:{env['PATH']}" if path else env["PATH"]
        with running(cluster, ["sh", "-c", worker, str(folder)], env, cwd=folder / "project") as started:
            yield Job(started)


def _write(folder: Path, project: Project, template: Template, given: Given) -> None:
    """Write the folder of a job."""
    for part in ("inventory", "env", "cp"):
        (folder / part).mkdir(mode=0o700)
    shutil.copytree(project.checkout, folder / "project", symlinks=True)
    shutil.copytree(project.collections, folder / "requirements_collections", symlinks=True)
    script = folder / "inventory" / "hosts"
    script.write_text(_INVENTORY.format(document=json.dumps(given.inventory)))
    script.chmod(0o700)
    (folder / "env" / "extravars").write_text(extra_vars(template.extra_vars, given))
    words = [*(["--check"] if template.check else []), "-u", "root", *(["-l", given.limit] if given.limit else [])]
    (folder / "env" / "cmdline").write_text(shlex.join(words))
    settings = {"job_timeout": template.timeout_s, "suppress_ansible_output": True, "suppress_output_file": True}
    (folder / "env" / "settings").write_text(json.dumps(settings))


def extra_vars(of_template: Mapping[str, Any], given: Given) -> str:
    """Return the file of extra variables: those of the template as they are, all others unsafe."""
    meta = {
        "job_id": given.job_id,
        "job_launch_type": "manual",
        "job_template_id": 9,
        "job_template_name": "a template",
        "inventory_id": 2,
        "inventory_name": "cluster",
        "project_revision": "0" * 40,
        "user_name": "admin",
        **given.awx,
    }
    own = {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in meta.items()}
    plain = {name: value for name, value in of_template.items() if name not in given.answers}
    rest = {_Unsafe(name): _unsafe(value) for name, value in {**given.answers, **own}.items()}
    head = yaml.safe_dump(plain) if plain else ""
    return head + yaml.dump(rest, Dumper=_Dumper, default_flow_style=False, sort_keys=False)


def _arguments(cluster: AnyCluster, folder: Path, template: Template, given: Given) -> dict[str, Any]:
    """Return what AWX sends to the worker."""
    config = configparser.ConfigParser()
    config.read(folder / "project" / "ansible.cfg")
    own = config.get("defaults", "collections_path", fallback="")
    collections = ":".join(filter(None, [str(folder / "requirements_collections"), own, _USER_COLLECTIONS]))
    env = {
        "ANSIBLE_FORCE_COLOR": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
        "ANSIBLE_COLLECTIONS_PATH": collections,
        "ANSIBLE_UNSAFE_WRITES": "1",
        "AWX_PRIVATE_DATA_DIR": str(folder),
        "JOB_ID": str(given.job_id),
        "MAX_EVENT_RES": "700000",
    }
    return {
        "ident": given.job_id,
        "playbook": template.playbook,
        "inventory": str(folder / "inventory"),
        "envvars": env,
        "suppress_env_files": True,
        "fact_cache_type": "",
        "passwords": {rf"{prompt}:\s*?$": "" for prompt in _PROMPTS},
        "ssh_key": cluster.access.key.read_text(),
    }
