# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that behaves towards madengine as a docker container does."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from standin.console import finish

_MARK = "MADENGINE_STANDIN_CONTAINER"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEMO_BIN = Path(__file__).resolve().parent.parent / "bin"
_SHIM = Path(__file__).resolve().with_name("shim.py")
_GONE_S = 5.0
_DOCKER_ERROR = 125
_SHELL_ERROR = 2
# Options of `docker run` whose value is the next word; all others stand alone or carry it after "=".
_WITH_VALUE = frozenset(
    [
        "-u",
        "--user",
        "--network",
        "--group-add",
        "--cap-add",
        "--device",
        "--security-opt",
        "--env",
        "-e",
        "-v",
        "--volume",
        "--workdir",
        "-w",
        "--name",
        "--cpuset-cpus",
        "--gpus",
        "--shm-size",
        "--ulimit",
        "--mount",
        "--ipc",
        "--pid",
        "--hostname",
        "-h",
        "--memory",
        "-m",
        "--label",
        "-l",
        "--cpus",
        "--runtime",
    ]
)


class Container:
    """One container: made from the words of a `docker run` line, asked to run commands, removed.

    Args:
        command: The whole `docker run` line, as the host's shell would get it.
        image: The image that must come out of it.

    Raises:
        RuntimeError: The shell or docker would have refused the line, for example after a quote in a value.
    """

    def __init__(self, command: str, image: str) -> None:
        words = _words(command)
        options, rest = _options(words)
        if rest != [image, "cat"]:
            _fail(command, _DOCKER_ERROR)
        self.name = dict(options)["--name"]
        self.image = image
        self.id = uuid.uuid4().hex[:12]
        self._env = _environment(self.id, [value for option, value in options if option in ("--env", "-e")])
        self._process: subprocess.Popen[bytes] | None = None
        _record(self)

    def run(self, script: str, shown: str, *, live: bool) -> str:
        """Run a shell script in the container's working directory and return its output (see console.finish)."""
        argv = [shutil.which("bash") or "sh", "-c", script]
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(_SHIM), *argv],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return finish(self._process, shown, live=live)

    def prepare(self, script: str, shown: str, *, live: bool) -> str:
        """Run a short script of madengine itself."""
        process = subprocess.Popen(
            [shutil.which("bash") or "sh", "-c", script],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return finish(process, shown, live=live)

    def remove(self) -> None:
        """Kill everything in the container, as the end of its first process does, and forget it."""
        kill_marked(self.id)
        if self._process is not None:
            self._process.wait()
        forget(self.name)


def recorded() -> dict[str, dict[str, object]]:
    """Containers of this host by name, as `docker ps -a` would list them."""
    directory = _state_directory()
    if directory is None:
        return {}
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.json"))}


def forget(name: str) -> None:
    """Take a container out of the list."""
    directory = _state_directory()
    if directory is not None and (directory / f"{name}.json").exists():
        (directory / f"{name}.json").unlink()


def kill_marked(container_id: str) -> None:
    """Kill all processes of one container, known by their environment, until none is left."""
    deadline = time.monotonic() + _GONE_S
    while time.monotonic() < deadline:
        found = [pid for pid in _pids() if _belongs(pid, container_id)]
        for pid in found:
            _kill(pid)
        if not found:
            return
        time.sleep(0.01)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        _fail(command, _SHELL_ERROR)
        raise


def _fail(command: str, code: int) -> None:
    message = f"Subprocess '{command}' failed with exit code {code}"
    raise RuntimeError(message)


def _options(words: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Split the words after `docker run` into (option, value) pairs and the image with its command."""
    rest = words[2:]
    pairs = []
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if not equals and option in _WITH_VALUE and rest:
            value = rest.pop(0)
        pairs.append((option, value))
    return pairs, rest


def _environment(container_id: str, given: list[str]) -> dict[str, str]:
    """What a process in the container sees: nothing of the host's environment but PATH and HOME."""
    path = os.environ.get("MADENGINE_STANDIN_PATH") or f"{os.environ.get('PATH', '')}:{_DEMO_BIN}:{_SYSTEM_PATH}"
    env = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "HOSTNAME": os.uname().nodename}
    env.update((name, value) for name, equals, value in (item.partition("=") for item in given) if equals)
    env[_MARK] = container_id
    return env


def _state_directory() -> Path | None:
    value = os.environ.get("MADENGINE_STANDIN_STATE")
    return Path(value) if value else None


def _record(container: Container) -> None:
    directory = _state_directory()
    if directory is None:
        return
    directory.mkdir(parents=True, exist_ok=True)
    text = {"id": container.id, "name": container.name, "image": container.image, "mount": str(Path.cwd())}
    (directory / f"{container.name}.json").write_text(json.dumps(text), encoding="utf-8")


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _belongs(pid: int, container_id: str) -> bool:
    try:
        env = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{_MARK}={container_id}".encode() in env.split(b"\0")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return
