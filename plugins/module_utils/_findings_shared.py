# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `shared_path` and `shared_same`: the shared data path is there, mounted, and the same on all hosts.

The proof is a nonce that rank 0 wrote and every host read. madengine takes any existing folder for the shared path and
fills a plain local one with a copy of its own on every host, so each kind of mistake has its own message.

Private to the collection.
"""

from __future__ import annotations

import posixpath
from typing import Any

from ._findings_common import Finding, Host, Launch, Text, error, note, option, quoted, skip, warning

# File systems whose source names the server, and so the same data wherever it is mounted.
_NETWORK_TYPES = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "beegfs",
    "gpfs",
    "ceph",
    "gluster",
    "9p",
    "virtiofs",
    "weka",
    "panfs",
)


def _judge(launch: Launch) -> list[Finding]:
    hosts = [host for host in launch.told if host.settings.get("shared_data_path")]
    found: list[Finding] = []
    for host in hosts:
        own = _missing(launch, host) or _root(launch, host) or _not_mounted(launch, host) or _restricted(host)
        found += own
        if not any(finding["severity"] == "error" for finding in own):
            found += _same(launch, host)
    return found


def _missing(launch: Launch, host: Host) -> list[Finding]:
    told = _told(host)
    path = told["path"]
    if host.failed("shared"):
        reason = (host.facts or {})["failed"]["shared"]
        message = f"{path} {reason}: its file server may be gone."
        fix = f"When the server is back: sudo umount -f -l {quoted(path)} && sudo mount {quoted(path)}"
        return [error("shared_path", host.name, Text(message, reason, "an answer", fix))]
    if told["exists"] and told["is_dir"]:
        return []
    if told["exists"]:
        fix = f"Name the folder of the shared data: {option('shared_data_path', '/path')}"
        return [error("shared_path", host.name, Text(f"{path} is no folder.", "a file", "a mounted folder", fix))]
    if told["error"]:
        message = f"{path} cannot be looked at: {told['error']}."
        fix = f"Let {(host.facts or {})['user']} into all folders above it: namei -l {quoted(path)}"
        return [error("shared_path", host.name, Text(message, told["error"], "a mounted folder", fix))]
    fix = f"sudo mkdir -p {quoted(path)} && {_mount_command(launch, path)}; {_elsewhere()}"
    return [error("shared_path", host.name, Text(f"{path} does not exist.", "missing", "a mounted folder", fix))]


def _root(launch: Launch, host: Host) -> list[Finding]:
    """Judge `/`, which is a mount on every host and yet its own; hosts without disks may share even that."""
    if _told(host)["real_path"] != "/" or len(launch.hosts) == 1 or _proven(launch, host):
        return []
    path = _told(host)["path"]
    fix = f"Name the folder of the shared data: {option('shared_data_path', '/path')}"
    message = f"{path} is the file system of each host itself, and no shared one."
    return [error("shared_path", host.name, Text(message, "/", "a folder that is the same on all hosts", fix))]


def _not_mounted(launch: Launch, host: Host) -> list[Finding]:
    """Judge a plain folder: shared all the same (an exported one), local on all hosts, or not mounted on this one."""
    told = _told(host)
    if told["is_mount"] or len(launch.hosts) == 1:
        return []
    path, plain = told["path"], "a plain folder, not a mount"
    if _unproven(launch, host):
        return []
    if _proven(launch, host):
        message = f"{path} is no mount of its own, but all hosts that read it see the same file there."
        return [note("shared_path", host.name, Text(message, plain, "a mount", "Nothing to do if this is meant."))]
    fix = f"{_mount_command(launch, path)}; {_elsewhere()}"
    mounted = [other for other in launch.told if _told(other)["is_mount"]]
    if mounted:
        example = mounted[0]
        message = f"{path} is not mounted here, while on {example.name} it is {_source(example)}."
        return [error("shared_path", host.name, Text(message, plain, f"{_source(example)}, mounted", fix))]
    message = f"{path} is a plain local folder on each host: every host would fetch its own copy of the data."
    return [error("shared_path", host.name, Text(message, plain, "the same mounted file system on all hosts", fix))]


def _restricted(host: Host) -> list[Finding]:
    told = _told(host)
    path, mount = told["path"], told["mount"] or {}
    if mount.get("read_only"):
        message = f"{path} is mounted read-only, so madengine cannot mirror data into it."
        point = quoted(mount["point"])
        fix = f"sudo mount -o remount,rw {point}; if all data is there already: {skip('shared_path')}"
        return [error("shared_path", host.name, Text(message, "read-only", "read and write", fix))]
    if not told["writable"]:
        user = (host.facts or {})["user"]
        message = f"{user} may not write into {path}; only data that is there already can be used."
        fix = f"Let {user} write there (sudo chgrp GROUP {quoted(path)} && sudo chmod g+ws {quoted(path)})."
        return [warning("shared_path", host.name, Text(message, "not writable", "writable", fix))]
    return []


def _same(launch: Launch, host: Host) -> list[Finding]:
    """Judge whether this host sees what rank 0 sees."""
    first = launch.first
    if host.name == first.name or first.facts is None or host.confirmed is None or not _told(first)["is_dir"]:
        return []
    nonce = host.confirmed["nonce"]
    if not _told(first)["nonce_written"]:
        return _compared(launch, host)
    if nonce["matches"] or not _could_see(launch, host):
        return []
    if _told(host)["is_mount"] and not _told(first)["is_mount"]:
        # What is said of rank 0 explains it.
        return []
    path = _told(host)["path"]
    if nonce["error"]:
        message = f"The file that {first.name} wrote into {path} cannot be read: {nonce['error']}."
        user = (host.facts or {})["user"]
        fix = f"Let {user} read there; see the rights (or root_squash of the export): namei -l {quoted(path)}"
        return [error("shared_same", host.name, Text(message, nonce["error"], f"the file of {first.name}", fix))]
    message = f"{path} is another file system than on {first.name}: a file written there is not seen here."
    fix = f"Mount the one of {first.name} ({_source(first)}): {_mount_command(launch, path)}; {_elsewhere()}"
    return [error("shared_same", host.name, Text(message, _source(host), _source(first), fix))]


def _compared(launch: Launch, host: Host) -> list[Finding]:
    """Judge by what the mounts say of themselves, where rank 0 could not write."""
    first = launch.first
    path, why = _told(host)["path"], _told(first)["error"] or "it may not write there"
    seen, expected = _source(host), _source(first)
    if _same_by_name(_told(host), _told(first)):
        message = f"{path} looks the same as on {first.name}, which could not write a file to prove it ({why})."
        fix = f"Nothing, if {seen} names the same data on all hosts."
        return [warning("shared_same", host.name, Text(message, seen, "a file of rank 0", fix))]
    message = f"{path} does not look the same as on {first.name}, which could not write a file to prove it ({why})."
    fix = f"Mount the one of {first.name}: {_mount_command(launch, path)}; if they are the same: {skip('shared_same')}"
    return [error("shared_same", host.name, Text(message, seen, expected, fix))]


def _same_by_name(one: dict[str, Any], other: dict[str, Any]) -> bool:
    mounts = (one["mount"] or {}, other["mount"] or {})
    places = {(mount.get("source"), mount.get("fstype"), _inside(told)) for mount, told in zip(mounts, (one, other))}
    if len(places) > 1 or not all(mounts):
        return False
    network = mounts[0]["fstype"].startswith(_NETWORK_TYPES) or mounts[0]["fstype"].startswith("fuse.")
    return network or (one["fsid"] is not None and one["fsid"] == other["fsid"])


def _inside(told: dict[str, Any]) -> str:
    """Return where in its file system the path lies, whatever folder it is mounted on."""
    mount = told["mount"] or {"root": "/", "point": "/"}
    below = posixpath.relpath(told["real_path"], mount["point"])
    return posixpath.normpath(posixpath.join(str(mount["root"]), below))


def _proven(launch: Launch, host: Host) -> bool:
    """Tell whether this host read what rank 0 wrote; of rank 0 itself, whether any other host did."""
    readers = launch.told[1:] if host.name == launch.first.name else [host]
    return any(reader.confirmed and reader.confirmed["nonce"]["matches"] for reader in readers)


def _unproven(launch: Launch, host: Host) -> bool:
    """Tell whether nobody was asked yet who could have read it, so that nothing can be said of a plain folder."""
    readers = launch.told[1:] if host.name == launch.first.name else [host]
    return not any(_could_see(launch, reader) for reader in readers)


def _could_see(launch: Launch, host: Host) -> bool:
    """Tell whether this host looked for the file of rank 0 while it was surely there."""
    return bool(host.confirmed and (host.confirmed["nonce"]["seen"] or not launch.is_cut_off))


def _told(host: Host) -> dict[str, Any]:
    shared: dict[str, Any] = (host.facts or {})["shared"]
    return shared


def _source(host: Host) -> str:
    """Return what is mounted for people to read: `server:/data (nfs4)`, or that it is a plain folder."""
    told = _told(host)
    mount = told["mount"]
    if mount is None or not told["is_mount"]:
        return "a plain folder"
    root = "" if mount["root"] == "/" else f", folder {mount['root']}"
    return f"{mount['source']} ({mount['fstype']}{root})"


def _mount_command(launch: Launch, path: str) -> str:
    """Return the command that mounts what another host has, with placeholders where no host has a network mount."""
    for host in launch.told:
        mount = _told(host)["mount"] or {}
        is_network = str(mount.get("fstype", "")).startswith(_NETWORK_TYPES)
        if _told(host)["is_mount"] and is_network and mount["point"] != "/":
            return f"sudo mount -t {quoted(mount['fstype'])} {quoted(mount['source'])} {quoted(mount['point'])}"
    return f"sudo mount -t nfs4 SERVER:/EXPORT {quoted(path)}"


def _elsewhere() -> str:
    return f"or name another one: {option('shared_data_path', '/path')}"


JUDGES = (_judge,)
