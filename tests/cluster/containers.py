# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes that are containers of podman, for the Molecule scenario `containers`.

There is no image and no registry: a node has a root directory of its own, with /usr of this machine, read-only. Ansible
enters it as `podman exec` does; there is no SSH server in it.

    python -m tests.cluster.containers works         # exit code 0 if podman can run a container here
    python -m tests.cluster.containers up --dir DIR
    python -m tests.cluster.containers inventory --dir DIR
    python -m tests.cluster.containers down --dir DIR
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.options import DEMO, REPOSITORY, SHARED_PATH, SYSTEM_PATH, NodeOptions
from tests.cluster.programs import link_programs

_NODES = 2
_LINKS = ("bin", "lib", "lib64", "sbin")
_FOLDERS = ("dev", "etc", "nfs/data", "proc", "root", "run", "sys", "tmp", "usr", "var/tmp")
# What programs of /usr look up; names of hosts are podman's.
_ETC = ("alternatives", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "nsswitch.conf", "passwd")
_PROGRAMS = "/opt/node"
_TIMEOUT_S = 60
_ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
# Collects orphans, as the first process of a machine does; `sleep` would leave them as zombies.
_INIT = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True: signal.pause()"


def main(arguments: list[str]) -> int:
    """Carry out one command; return 0 when it did."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.containers")
    parser.add_argument("command", choices=["works", "up", "inventory", "down"])
    parser.add_argument("--dir", type=Path, default=Path())
    options = parser.parse_args(arguments)
    base: Path = options.dir.absolute()
    if options.command == "works":
        return 0 if _works() else 1
    if options.command == "inventory":
        sys.stdout.write((base / "inventory.json").read_text())
    elif options.command == "down":
        _down(base)
    else:
        try:
            _up(base)
        except (OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"tests.cluster.containers: {error}\n{getattr(error, 'stderr', '')}\n")
            with contextlib.suppress(subprocess.SubprocessError):
                _down(base)
            return 1
    return 0


def _podman(*words: str) -> str:
    """Run podman with settings that hold where there is no systemd; return what it printed."""
    # crun takes no mix of the first and the second version of cgroups.
    runtime = ["--runtime=runc"] if shutil.which("runc") else []
    argv = ["podman", "--cgroup-manager=cgroupfs", *runtime, *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    return done.stdout.strip()


def _works() -> bool:
    with tempfile.TemporaryDirectory(prefix="mad-") as folder:
        try:
            root = _root(Path(folder))
            return bool(_podman("run", "--rm", *_limits(), "--volume=/usr:/usr:ro", "--rootfs", str(root), "id", "-u"))
        except (OSError, subprocess.SubprocessError):
            return False


def _limits() -> list[str]:
    """Return limits that podman may set without CAP_SYS_RESOURCE; those that it has of its own are higher."""
    return ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"]


def _root(folder: Path) -> Path:
    """Make the root directory of a node, but for what it mounts."""
    root = folder / "root"
    for name in (*_FOLDERS, _PROGRAMS.lstrip("/")):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _LINKS:
        (root / name).symlink_to(f"usr/{name}")
    (root / "tmp").chmod(0o1777)
    for source in (Path("/etc") / name for name in _ETC):
        if source.is_dir():
            shutil.copytree(source, root / "etc" / source.name, symlinks=True)
        elif source.exists():
            shutil.copy(source, root / "etc")
    return root


def _up(base: Path) -> None:
    """Start the nodes and write an inventory. Raises `CalledProcessError` when podman could not."""
    base.mkdir(parents=True)
    (base / "shared").mkdir()
    token = secrets.token_hex(4)
    names = [f"mad-{token}-{number}" for number in range(1, _NODES + 1)]
    (base / "containers.json").write_text(json.dumps(names))
    hosts = {}
    for name in names:
        _start(base / name, name, base / "shared")
        hosts[name] = {"ansible_connection": "containers.podman.podman"}
    addresses = [_podman("inspect", "--format", _ADDRESS, name) for name in names]
    together = {"master_addr": addresses[0], "nccl_interface": "eth0", "gloo_interface": "eth0"}
    (base / "inventory.json").write_text(json.dumps({"training": {"hosts": hosts, "vars": together}}))


def _start(folder: Path, name: str, shared: Path) -> None:
    folder.mkdir()
    root = _root(folder)
    link_programs(folder, NodeOptions(), str(DEMO))
    shutil.copytree(DEMO / "MAD", root / "root/MAD")
    places = ["/usr:/usr:ro", f"{REPOSITORY}:{REPOSITORY}:ro", f"{folder}:{_PROGRAMS}:ro", f"{shared}:{SHARED_PATH}"]
    env = {"HOME": "/root", "PATH": f"{_PROGRAMS}/bin:{SYSTEM_PATH}", "MADENGINE_STANDIN": "2"}
    words = [*_limits(), "--detach", f"--name={name}", f"--hostname={name}", "--workdir=/root"]
    words += [f"--volume={place}" for place in places] + [f"--env={key}={value}" for key, value in env.items()]
    _podman("run", *words, "--rootfs", str(root), "/usr/bin/python3", "-c", _INIT)


def _down(base: Path) -> None:
    """End the nodes of `base` and remove their files; what is not there is no error."""
    listed = base / "containers.json"
    # Without podman there is no node either.
    for name in json.loads(listed.read_text()) if listed.exists() and shutil.which("podman") else []:
        _podman("rm", "--force", "--ignore", "--time=0", "--volumes", name)
    shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
