# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts and folders, from real tables and real file systems."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import probe_storage
from ansible_collections.madlaunch.multinode.plugins.module_utils.node.probe_mounts import mount_of

TABLE = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 22 0:35 / /nfs rw,relatime shared:7 - autofs systemd-1 rw,fd=48
41 40 0:36 / /nfs/data rw,nosuid shared:8 - nfs4 srv:/export/my\040data rw,vers=4.2
42 22 254:0 /srv/a /mnt/with\040space\134x ro,relatime - ext4 /dev/vda rw
43 41 0:99 / /nfs/data rw - nfs4 other:/later ro,vers=4.2
44 22 0:50 / /nfs/database rw - tmpfs tmpfs rw
"""


def _mount(*values: object) -> dict[str, object]:
    return dict(zip(("point", "source", "fstype", "root", "options", "device", "read_only"), values, strict=True))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/u", _mount("/", "/dev/vda", "ext4", "/", "rw,relatime,discard", "254:0", False)),  # noqa: FBT003
        ("/nfs/data", _mount("/nfs/data", "other:/later", "nfs4", "/", "rw,ro,vers=4.2", "0:99", True)),  # noqa: FBT003
        ("/nfs/data/x", _mount("/nfs/data", "other:/later", "nfs4", "/", "rw,ro,vers=4.2", "0:99", True)),  # noqa: FBT003
        ("/nfs/database", _mount("/nfs/database", "tmpfs", "tmpfs", "/", "rw", "0:50", False)),  # noqa: FBT003
        ("/nfs/datax", _mount("/nfs", "systemd-1", "autofs", "/", "rw,relatime,fd=48", "0:35", False)),  # noqa: FBT003
        (
            "/mnt/with space\\x/y",
            _mount("/mnt/with space\\x", "/dev/vda", "ext4", "/srv/a", "ro,relatime,rw", "254:0", True),  # noqa: FBT003
        ),
    ],
    ids=["root", "covered", "below", "longer-name", "prefix-of-a-name", "escaped"],
)
def test_mount_of_when_mounts_overlap_then_the_nearest_and_last_counts(
    tmp_path: Path, path: str, expected: dict[str, object]
) -> None:
    """The longest mount point that holds the path wins, of several on one point the last."""
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    assert mount_of(path, str(table)) == expected


def test_shared_when_missing_then_nothing_is_claimed(tmp_path: Path) -> None:
    """A path that does not exist gives the empty form, without an error."""
    path = str(tmp_path / "not there")
    assert probe_storage.shared(path) == {
        **dict.fromkeys(("exists", "is_dir", "is_mount", "writable", "nonce_written"), False),
        **dict.fromkeys(("mount", "fsid", "device", "nonce_path", "error")),
        "path": path,
        "real_path": path,
        "free_bytes": 0,
    }


def test_shared_when_it_cannot_exist_then_the_reason_is_told(tmp_path: Path) -> None:
    """A file where a folder should be is no missing path."""
    (tmp_path / "file").touch()
    told = probe_storage.shared(str(tmp_path / "file" / "data"))
    assert (told["exists"], told["error"]) == (False, "Not a directory")


def test_shared_when_a_name_is_hostile_then_it_is_only_a_name(tmp_path: Path) -> None:
    """Quotes, newlines and dollars in a path mean nothing."""
    folder = tmp_path / "a'b\"c\nd $(touch x)"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    told = probe_storage.shared(str(tmp_path / "link"))
    assert (told["exists"], told["is_dir"], told["real_path"], told["error"]) == (True, True, str(folder), None)


def test_write_nonce_when_written_then_every_user_may_read_it(tmp_path: Path) -> None:
    """The file holds the nonce, whatever the umask; its name does not give the nonce away."""
    before = os.umask(0o077)
    try:
        told = probe_storage.write_nonce(str(tmp_path), "r1", "5ecret")
    finally:
        os.umask(before)
    path = tmp_path / probe_storage.nonce_name("r1", "5ecret")
    assert told == {"nonce_path": str(path), "nonce_written": True, "error": None}
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode), "5ecret" in path.name) == ("5ecret", 0o644, False)


def test_write_nonce_when_refused_then_the_reason_is_told(tmp_path: Path) -> None:
    """What cannot be written is no exception, but a fact."""
    told = probe_storage.write_nonce(str(tmp_path / "missing"), "r1", "n")
    assert told == {"nonce_path": None, "nonce_written": False, "error": "No such file or directory"}


MOUNTS = """
set -e
cd "$1"
mkdir tmpfs bound plain
mount -t tmpfs -o ro none tmpfs
mount --bind plain bound
shift
exec "$@"
"""
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.madlaunch.multinode.plugins.module_utils.node import probe_storage as p
print(json.dumps({name: p.shared(sys.argv[2] + "/" + name) for name in ("tmpfs", "bound", "plain")}))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_shared_when_mounted_then_bind_read_only_and_plain_are_told_apart(
    tmp_path: Path, collections_path: Path
) -> None:
    """A bind mount is a mount with a root of its own, a read-only one says so, and a plain folder is neither."""
    inner = [sys.executable, "-c", ASK, str(collections_path), str(tmp_path)]
    argv = ["unshare", "--mount", "sh", "-c", MOUNTS, "sh", str(tmp_path), *inner]
    told: dict[str, dict[str, Any]] = json.loads(
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout
    )
    seen = {
        name: (one["is_mount"], one["writable"], one["mount"]["fstype"], one["mount"]["read_only"])
        for name, one in told.items()
    }
    outside = mount_of(str(tmp_path)) or {}
    assert seen == {
        "tmpfs": (True, False, "tmpfs", True),
        "bound": (True, True, outside["fstype"], False),
        "plain": (outside["point"] != "/", True, outside["fstype"], False),
    }
    assert str(told["bound"]["mount"]["root"]).endswith("/plain")
    assert told["bound"]["mount"]["point"] == str(tmp_path / "bound")


def test_state_when_it_does_not_exist_yet_then_the_folder_above_is_judged(tmp_path: Path) -> None:
    """The state directory is made by the first run; until then what counts is whether it can be made."""
    path = str(tmp_path / "a" / "b")
    told = probe_storage.state(path)
    assert told.pop("free_bytes", 0) > 0  # type: ignore[operator]
    assert told.pop("free_inodes") != 0
    assert told == {"path": path, "writable": True, "error": None}


def test_state_when_a_file_is_in_the_way_then_the_reason_is_told(tmp_path: Path) -> None:
    """A file cannot hold the runs."""
    (tmp_path / "file").touch()
    told = probe_storage.state(str(tmp_path / "file" / "b"))
    reason = f"{tmp_path / 'file'} is not a folder in which this login may write"
    assert (told["writable"], told["error"]) == (False, reason)


def test_mad_dir_when_it_is_a_checkout_then_its_size_is_without_history(tmp_path: Path) -> None:
    """The size is that of a copy for a run, which has no .git."""
    (tmp_path / "models.json").write_text("[]")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "run.sh").write_text("12345")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "pack").write_text("x" * 1000)
    assert probe_storage.mad_dir(str(tmp_path)) == {
        "path": str(tmp_path),
        "exists": True,
        "models_json": True,
        "scripts": True,
        "readable": True,
        "size_bytes": 7,
        "error": None,
    }


def test_mad_dir_when_missing_then_nothing_is_claimed(tmp_path: Path) -> None:
    """A checkout that is not there has none of its parts."""
    path = str(tmp_path / "MAD")
    no = dict.fromkeys(("exists", "models_json", "scripts", "readable"), False)
    assert probe_storage.mad_dir(path) == {"path": path, **no, "size_bytes": None, "error": None}
