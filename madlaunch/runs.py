# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run on the control node: ``<state directory>/runs/<run id>/run.json``.

Written at the start and at the end, each time whole and atomically, readable by its owner only. It holds no
secret. The logs of the ranks lie beside it, or where ``--log-dir`` said; the record has their paths.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from madlaunch.answers import Json, RunOutcome, mapping_at
from madlaunch.errors import EXIT_USAGE, LauncherError, UsageError

SCHEMA = 1
RECORD_NAME = "run.json"
_OTHER_STATE_DIRECTORY = "choose another directory with the environment variable MADLAUNCH_STATE_DIR"
_WRONG_PLACE = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP}
)
"""What an unsuitable path gives, in contrast to a disk that is full or broken."""
MASK = "********"
# Variable names whose values must not be kept, as Ansible and this collection spell them.
_SECRET_NAME = re.compile(r"(^|_)pass(word|wd|phrase)?($|_)|secret|(^|_)token$|private_key$", re.IGNORECASE)


class RecordError(LauncherError):
    """The record of a run could not be written, or what is there is none."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is kept of one run. Times are in seconds since the epoch on the control node's clock."""

    run_id: str
    launcher_version: str
    started_at_s: float
    mode: str
    model: str
    log_dir: str
    inventory: Json = field(default_factory=dict)
    inventory_sources: tuple[str, ...] = ()
    settings: tuple[Mapping[str, str], ...] = ()
    """Per setting: name, value, source, group."""
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The texts by which the nodes are found and logged in to again, by setting name; no password is among them."""
    plan: Json = field(default_factory=dict)
    ended_at_s: float | None = None
    exit_code: int | None = None
    outcome: RunOutcome | None = None

    def document(self) -> dict[str, object]:
        """Return the record as it is written."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_mapping(cls, source: Json) -> RunRecord:
        """Read a record back.

        Raises:
            KeyError: A part is missing.
            TypeError: It has a part that this version does not know.
            LauncherError: A part of the outcome has the wrong type.
        """
        parts = {name: source[name] for name in cls.__slots__}
        outcome = mapping_at(source, "outcome")
        # The record keeps the result paths flat, the collection answers them below "results".
        parts["outcome"] = RunOutcome.from_mapping({**outcome, "results": outcome}) if outcome else None
        parts["inventory_sources"] = tuple(parts["inventory_sources"])  # type: ignore[arg-type] # checked by the caller's except
        parts["settings"] = tuple(parts["settings"])  # type: ignore[arg-type] # the same
        parts["given"] = {name: _texts(value) for name, value in mapping_at(source, "given").items()}
        return cls(**parts)  # type: ignore[arg-type] # the same


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return the launcher's state directory: ``MADLAUNCH_STATE_DIR``, or below ``XDG_STATE_HOME`` or the home.

    Raises:
        UsageError: The user has no home.
    """
    own = environ.get("MADLAUNCH_STATE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    xdg = environ.get("XDG_STATE_HOME", "")
    # The XDG specification says to ignore a relative path.
    if xdg.startswith("/"):
        return Path(xdg) / "madlaunch"
    try:
        return Path.home() / ".local" / "state" / "madlaunch"
    except RuntimeError as error:
        problem = "the home directory of this user is not known, so there is no place for the record of a run"
        raise UsageError(problem, next_step="set HOME, or name a directory with MADLAUNCH_STATE_DIR") from error


def record_directory(run_id: str, environ: Mapping[str, str]) -> Path:
    """Return where the record of ``run_id`` is kept."""
    return state_directory(environ) / "runs" / run_id


def create_directory(directory: Path) -> None:
    """Make the directory of a run, readable by its owner only.

    Raises:
        RecordError: It cannot be made, or holds a run already.
    """
    _make(directory, "record directory", _OTHER_STATE_DIRECTORY)
    if (directory / RECORD_NAME).exists():
        problem = f"run id {directory.name!r} is taken: {directory} holds its record"
        raise RecordError(problem, next_step="give another run id, or none to have one made")


def hold(directory: Path) -> bool:
    """Take the run of a record until this process ends, however it ends; false if another process has it."""
    try:
        # Never closed: the kernel gives the lock back with the process. Programs started from here do not inherit it.
        handle = os.open(directory / "following", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    except OSError as error:
        what = "record of the run"
        raise _write_error(what, directory, error, _OTHER_STATE_DIRECTORY) from error
    return True


def make_log_directory(directory: Path) -> None:
    """Make the directory that ``--log-dir`` leads to, before anything is started.

    Raises:
        RecordError: It cannot be made.
    """
    _make(directory, "log directory of --log-dir", "choose another with --log-dir")


def _make(directory: Path, what: str, choose_another: str) -> None:
    """Make a directory and make sure that files can be written there."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A test for permission would not tell of a full disk or a read-only file system.
        handle, name = tempfile.mkstemp(prefix=".try-", dir=directory)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise _write_error(what, directory, error, choose_another) from error


def write_record(directory: Path, record: RunRecord) -> None:
    """Write the record of a run, whole or not at all, with mode 0600.

    Raises:
        RecordError: The directory or the disk does not take it.
    """
    try:
        # mkstemp makes the file with mode 0600.
        handle, name = tempfile.mkstemp(prefix=".run-", dir=directory)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(record.document(), stream, ensure_ascii=False, indent=1, default=str)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(directory / RECORD_NAME)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        what = "record directory"
        raise _write_error(what, directory, error, _OTHER_STATE_DIRECTORY) from error


def read_record(directory: Path) -> RunRecord:
    """Read the record of a run back.

    Raises:
        RecordError: There is none, or it is damaged or of another version.
    """
    path = directory / RECORD_NAME
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"the record {path} cannot be read: {error}"
        raise RecordError(problem, next_step="check the run id; the nodes keep their own status") from error
    if not isinstance(source, dict) or source.get("schema") != SCHEMA:
        problem = f"the record {path} is not of schema {SCHEMA}"
        raise RecordError(problem, next_step="read it with the launcher version that wrote it")
    try:
        return RunRecord.from_mapping(source)
    except (KeyError, TypeError, LauncherError) as error:
        problem = f"the record {path} is damaged: {error}"
        raise RecordError(problem, next_step="the nodes keep their own status of the run") from error


def masked(document: Json) -> Json:
    """Return a copy of a document in which the values of secret names are masked."""
    copy = without_secrets(document)
    return copy if isinstance(copy, Mapping) else {}


def without_secrets(value: object) -> object:
    """Return a copy of nested variables in which the values of secret names are masked."""
    if isinstance(value, Mapping):
        return {key: MASK if _is_secret(str(key), item) else without_secrets(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(item) for item in value]
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else (str(value),)


def _is_secret(name: str, value: object) -> bool:
    if _SECRET_NAME.search(name) is None:
        return False
    return bool(value) and name != "secret_names"


def _write_error(what: str, directory: Path, error: OSError, choose_another: str) -> RecordError:
    """Return the error for a place that does not take files; a full disk is no mistake of the user."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    problem = f"the {what} {directory} cannot be written: {error.strerror or error}"
    refused = RecordError(problem, next_step=f"free space there, or {choose_another}" if full else choose_another)
    if error.errno in _WRONG_PLACE:
        refused.exit_code = EXIT_USAGE
    return refused
