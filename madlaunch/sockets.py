# SPDX-License-Identifier: GPL-3.0-or-later
"""A private folder for the sockets of shared ssh connections, one per launch.

Ansible names a socket by host, port and login only. In its own folder a launch could meet the connection of an
earlier one that was made with another key or password, and the sockets of a home with a long path do not fit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "ANSIBLE_SSH_CONTROL_PATH_DIR"

_SOCKET_PATH_BYTES = 104
"""The shortest limit of the systems ssh runs on (Linux has 108)."""
_NAME_BYTES = len("/mad-12345678/") + 10 + len(".1234567890123456")
"""Our folder, Ansible's name of a socket, and what ssh appends while it makes one."""
_CLOSE_TIMEOUT_S = 5.0


def socket_root(environ: Mapping[str, str]) -> Path:
    """Return a folder of this machine in which a folder for sockets can be made."""
    for folder in (environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()):
        short = len(os.fsencode(folder)) + _NAME_BYTES <= _SOCKET_PATH_BYTES
        if folder.startswith("/") and short and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    return Path("/tmp")  # noqa: S108 - mkdtemp makes a folder of mode 0700 with an unknown name in it


@contextmanager
def control_sockets(environ: Mapping[str, str]) -> Iterator[Path]:
    """Make a folder for sockets; at the end close the connections in it and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="mad-", dir=socket_root(environ)))
    try:
        yield folder
    finally:
        _close_all(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _close_all(folder: Path) -> None:
    """Ask every ssh that owns a socket in ``folder`` to end; an ssh that does not answer ends by itself later."""
    sockets = [path for path in folder.iterdir() if path.is_socket()]
    if not sockets:
        return
    closing = [
        subprocess.Popen(  # noqa: S603 - our own words and a path that we made
            ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "shared"],  # noqa: S607 - the ssh that Ansible found by PATH too
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for path in sockets
    ]
    for process in closing:
        try:
            process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
