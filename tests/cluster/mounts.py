# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's file tree is made of, as a list of commands (pure).

A node sees the programs of this machine read-only, and has its own everything else. The tree is put together below
one directory and then becomes the root, all within the node's mount namespace: this machine's own tree is never
touched, not even by an empty directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.cluster.accounts import LOGIN_ID
from tests.cluster.options import DEMO, LOGIN, SHARED_PATH, NodeOptions, Shared

NODE_DIR = "/run/node"  # on the node: its configuration, programs and logs
NODE_DEMO = "/run/demo"  # on the node: demo/ of the clone
STATE_DIR = ".local/state/madlaunch"
_SYSTEM_DIRS = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr", "var")
Argv = list[str]


@dataclass(frozen=True)
class Layout:
    """Where one node's files lie on this machine.

    Attributes:
        base: Directory of the cluster.
        name: Name of the node.
        shared_home: Whether home directories are the cluster's instead of the node's.
    """

    base: Path
    name: str
    shared_home: bool = False

    @property
    def node(self) -> Path:
        """The node's directory."""
        return self.base / self.name

    @property
    def root(self) -> Path:
        """Mount point at which the tree is put together."""
        return self.node / "tree"

    @property
    def run(self) -> Path:
        """Seen on the node as NODE_DIR."""
        return self.node / "run"

    @property
    def etc(self) -> Path:
        """Files that lie over those of /etc."""
        return self.node / "etc"

    @property
    def homes(self) -> Path:
        """The parent of both home directories, seen on the node as /home and /root."""
        return self.base / "homes" if self.shared_home else self.node / "homes"

    @property
    def shared(self) -> Path:
        """Mount point of the file system that all nodes share (in the control namespace)."""
        return self.base / "shared"


def control_plan(base: Path, hosts: Path) -> list[Argv]:
    """The mounts of the control side: the shared file system and the nodes' names."""
    return [
        tmpfs("storage:/export", base / "shared", "size=2g,mode=1777"),
        ["mount", "--bind", str(hosts), "/etc/hosts"],
    ]


def node_plan(layout: Layout, options: NodeOptions, visible: tuple[Path, ...]) -> list[Argv]:
    """All mounts of a node, in order; the last ones make the new tree the root."""
    return [
        tmpfs("node", layout.root, "size=64m,mode=755"),
        *_system(layout.root),
        *_kernel(layout.root),
        *_own(layout),
        *[step for path in visible for step in bind(path, layout.root / str(path).lstrip("/"), "rbind,ro")],
        *_shared(layout, options.shared),
        *_state(layout, options.state_kib),
        ["mkdir", str(layout.root / "old-root")],
        ["pivot_root", str(layout.root), str(layout.root / "old-root")],
        ["umount", "--lazy", "/old-root"],
        ["rmdir", "/old-root"],
        ["hostname", layout.name],
    ]


def tmpfs(source: str, target: Path, options: str) -> Argv:
    """Mount an empty file system in memory."""
    return ["mount", "-t", "tmpfs", "-o", options, source, str(target)]


def bind(source: Path, target: Path, options: str = "bind") -> list[Argv]:
    """Show a directory in another place, which is made."""
    return [["mkdir", "-p", str(target)], ["mount", "-o", options, str(source), str(target)]]


def _system(root: Path) -> list[Argv]:
    steps: list[Argv] = []
    for path in (Path("/", name) for name in _SYSTEM_DIRS):
        if path.is_symlink():
            steps.append(["ln", "-s", str(path.readlink()), str(root / path.name)])
        elif path.is_dir():
            steps += bind(path, root / path.name, "rbind,ro")
    return steps


def _kernel(root: Path) -> list[Argv]:
    return [
        ["mkdir", *(str(root / name) for name in ("proc", "sys", "run", "tmp", "nfs"))],
        *bind(Path("/dev"), root / "dev", "rbind"),
        tmpfs("shm", root / "dev" / "shm", "mode=1777"),
        ["mount", "-t", "proc", "proc", str(root / "proc")],
        # A new sysfs shows the interfaces of the network namespace in which it is mounted.
        ["mount", "-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys")],
        tmpfs("tmp", root / "tmp", "mode=1777"),
        tmpfs("tmp", root / "var" / "tmp", "mode=1777"),
        tmpfs("run", root / "run", "mode=755"),
        ["mkdir", str(root / "run" / "sshd")],
    ]


def _own(layout: Layout) -> list[Argv]:
    root = layout.root
    steps = bind(layout.run, Path(f"{root}{NODE_DIR}"))
    if DEMO.is_dir():
        steps += bind(DEMO, Path(f"{root}{NODE_DEMO}"), "bind,ro")
    for home in ("home", "root"):
        steps += bind(layout.homes / home, root / home)
    files = {name: Path("/etc", name) for name in ("passwd", "group", "shadow", "hosts", "hostname")}
    files["boot_id"] = Path("/proc/sys/kernel/random/boot_id")
    for name, target in files.items():
        if target.exists():
            steps.append(["mount", "--bind", str(layout.etc / name), f"{root}{target}"])
    return steps


def _shared(layout: Layout, shared: Shared) -> list[Argv]:
    target = Path(f"{layout.root}{SHARED_PATH}")
    if shared is Shared.MISSING:
        return []
    if shared is Shared.SHARED:
        return bind(layout.shared, target)
    if shared is Shared.READONLY:
        return bind(layout.shared, target, "bind,ro")
    made = [["mkdir", "-m", "1777", str(target)]]
    return [*made, tmpfs(f"{layout.name}:/export", target, "mode=1777")] if shared is Shared.SEPARATE else made


def _state(layout: Layout, size_kib: int) -> list[Argv]:
    """A small file system at the test login's state directory (the directories above are made by the owner)."""
    if not size_kib:
        return []
    target = layout.root / "home" / LOGIN / STATE_DIR
    return [tmpfs("state", target, f"size={size_kib}k,mode=700,uid={LOGIN_ID},gid={LOGIN_ID}")]
