# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes' own /etc/passwd, group and shadow: this machine's, with a test login and a password."""

from __future__ import annotations

import ctypes
import secrets
from pathlib import Path

from tests.cluster.options import LOGIN

LOGIN_ID = 4242  # user and group; any number that Debian gives to nobody
_ETC = Path("/etc")


def hash_password(password: str) -> str:
    """A crypt(5) SHA-256 hash (libcrypt is part of every Debian; Python 3.13 has no `crypt` module any more)."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes = library.crypt(password.encode(), f"$5$rounds=1000${secrets.token_hex(8)}".encode())
    return hashed.decode()


def account_files(password: str, etc: Path = _ETC) -> dict[str, str]:
    """Text of `passwd`, `group` and `shadow` in which root and the test login have ``password``."""
    hashed = hash_password(password)
    return {
        "passwd": _with((etc / "passwd").read_text(), {LOGIN: f"x:{LOGIN_ID}:{LOGIN_ID}::/home/{LOGIN}:/bin/bash"}),
        "group": _with((etc / "group").read_text(), {LOGIN: f"x:{LOGIN_ID}:"}),
        "shadow": _with(
            (etc / "shadow").read_text(),
            dict.fromkeys(("root", LOGIN), f"{hashed}:19000:0:99999:7:::"),
        ),
    }


def _with(text: str, entries: dict[str, str]) -> str:
    """Replace or add lines of a colon-separated table, by their first field."""
    kept = [line for line in text.splitlines() if line.partition(":")[0] not in entries]
    return "\n".join([*kept, *(f"{name}:{rest}" for name, rest in entries.items())]) + "\n"
