# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one playbook through ansible-runner and yield typed events while it runs.

The only importer of ``ansible_runner``. Facts of ansible-runner 2.4 that shape this file:

- ``ansible_runner.run`` writes what it is given into files and installs signal handlers; ``RunnerConfig`` and
  ``Runner`` do neither, so they are used directly, in a thread.
- The child's environment starts as a copy of ours, extra variables given as a mapping go onto the command
  line, and every event becomes a file unless the handler returns false.
- Its pexpect loop keeps all output since the last match in memory. The first "password" pattern, which
  sends nothing, matches whole lines and so empties that buffer; the prompt pattern then can only match an
  unfinished line from its beginning, never the inside of a rank's line.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from madlaunch.ansible_config import own_config
from madlaunch.backlog import Backlog, NothingYetError
from madlaunch.errors import LauncherError, UsageError
from madlaunch.events import Event, Note, OutputLines, PlayEnded, Translator
from madlaunch.scratch import scratch_directory
from madlaunch.variables import unsafe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from madlaunch.request import PlayRequest

COLLECTION = "madlaunch.multinode"
VARIABLES = "extra_vars.json"
POLL_S = 0.2
_CANCEL_POLL_S = 1
_TERM_GRACE_S = 5.0
_TAIL_LINES = 25
# At 160 lines of 100 characters a second, as 16 ranks may print them, the screen may stand still for four minutes;
# a terminal shows that many at once in a few seconds.
_BACKLOG_BYTES = 16 * 1024 * 1024
_LINE_BYTES = 300
_ENDED_BY_SIGNAL = -1
_WHOLE_LINES = r"(?s)\A.*\n"
# How ansible-playbook (ansible/cli/__init__.py) and our playbooks (lookup target) say that no host is left.
_NO_HOSTS = ("leaves us with no hosts to target", "so nothing would be done")
_UNREAD = re.compile(r"Unable to parse (.+) as an inventory source")
_NO_MATCH = "Could not match supplied host pattern"
_SSH_PROMPT_TEXT = "SSH password: "
_SSH_PROMPT = rf"\A{_SSH_PROMPT_TEXT}\Z"

# Runs ansible-playbook in its own place, so that it ends when this process does, even by SIGKILL: otherwise its
# followers would go on renewing the leases of a run that nobody watches. PR_SET_PDEATHSIG is 1 (Linux, prctl(2)); a
# parent that died before the call is seen by its number.
_GUARD = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))
if os.getppid() != int(sys.argv[1]):
    sys.exit("the launcher has gone")
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]} cannot be run: {error.strerror}; install ansible-core beside the launcher")
"""

# What of the user's own ANSIBLE_* settings goes on: where things are and how secrets open. The others change
# how output looks and when it comes, which our events rest on.
_KEPT = ("ANSIBLE_CONFIG", "ANSIBLE_VAULT_IDENTITY_LIST", "ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_ROLES_PATH")
# The callback of ansible-runner takes these for a job of AWX; batch systems set JOB_ID too.
_FOREIGN = ("JOB_ID", "AD_HOC_COMMAND_ID", "PROJECT_UPDATE_ID", "ORIGINAL_STDOUT_CALLBACK", "AWX_LIB_DIRECTORY")
_OURS = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_NOCOWS": "1",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    "ANSIBLE_HOST_KEY_CHECKING": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    # A result above this many characters is dropped by the callback; a plan of a thousand hosts is larger
    # than the callback's own limit of 700,000.
    "MAX_EVENT_RES": "100000000",
    "PYTHONUNBUFFERED": "1",
    # An ansible.cfg, of the user or of the estate, must not hide results from us, end the task that follows a rank,
    # leave tasks out, refuse our own inventory, or wait for an answer that nobody can give.
    "ANSIBLE_NO_LOG": "0",
    "ANSIBLE_DISPLAY_OK_HOSTS": "1",
    "ANSIBLE_VERBOSITY": "0",
    "ANSIBLE_DEBUG": "0",
    "ANSIBLE_TASK_TIMEOUT": "0",
    "ANSIBLE_ANY_ERRORS_FATAL": "0",
    "ANSIBLE_RUN_TAGS": "all",
    "ANSIBLE_SKIP_TAGS": "never",
    "ANSIBLE_INVENTORY_ENABLED": "host_list,script,auto,yaml,ini,toml",
    "ANSIBLE_ASK_PASS": "0",
    "ANSIBLE_ASK_VAULT_PASS": "0",
    "ANSIBLE_BECOME_ASK_PASS": "0",
    "ANSIBLE_ENABLE_TASK_DEBUGGER": "0",
    # No play of ours gathers facts; to push none into the variables, Ansible lists its plugins for each host and task.
    "ANSIBLE_INJECT_FACT_VARS": "0",
    # They would be written into the clone.
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
    # Ansible refuses a locale that this machine lacks (LC_* come in from a laptop by ssh) or that is not UTF-8. ssh may
    # send it on: LANG, because a node that lacks it says nothing then, while of LC_ALL its bash would complain.
    "LANG": "C.UTF-8",
}
# Nodes that were named on the command line are logged in to as the user said; in an inventory the estate decides.
_NOBODY_ELSE = {"ANSIBLE_BECOME": "0"}


class PlaybookError(LauncherError):
    """``ansible-playbook`` ended before the collection could say anything."""


class Play:
    """One playbook run; iterate over :meth:`events` once."""

    def __init__(self, request: PlayRequest, collection_root: Path | None = None) -> None:
        self._request = request
        self._root = collection_root if collection_root is not None else find_collection()
        self._backlog: Backlog[Event | BaseException | None] = Backlog(_BACKLOG_BYTES)
        self._translator = Translator()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._pid: int | None = None
        self._canceled_at_s: float | None = None
        self._abandoned = threading.Event()
        self._variables: Path | None = None

    def events(self, idle: Callable[[], None] = lambda: None) -> Generator[Event]:
        """Start the playbook and yield its events live; the last one is ``PlayEnded``.

        ``idle`` is called at least every ``POLL_S`` seconds, in the caller's thread.

        Raises:
            PlaybookError: The playbook ended badly and nothing in its events says why.
            AnswerError: The collection answered in an unknown shape.
        """
        with scratch_directory() as private:
            self._variables = private / VARIABLES
            thread = threading.Thread(target=self._play, args=(private,), name="ansible-runner", daemon=True)
            thread.start()
            try:
                yield from self._received(idle)
            finally:
                self._abandoned.set()
                self._end(thread)

    def cancel(self) -> None:
        """End the playbook: SIGTERM, which Ansible hands on to its workers, and SIGKILL if that is ignored."""
        if self._canceled_at_s is None:
            self._canceled_at_s = time.monotonic()
            self._signal(signal.SIGTERM)

    def _received(self, idle: Callable[[], None]) -> Iterator[Event]:
        told = False
        held: list[Note] = []  # what Ansible says about the limit; our own error says it better
        while True:
            idle()
            try:
                item = self._backlog.get(POLL_S)
            except NothingYetError:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, PlayEnded) and item.return_code != 0 and not (told or item.canceled):
                yield from (replace(note, level="output") for note in held)
                raise self._error(item.return_code)
            if not told and isinstance(item, Note) and any(text in item.text for text in (_NO_MATCH, *_NO_HOSTS)):
                held.append(item)
                continue
            if not isinstance(item, Note):
                told = True
                yield from held
                held = []
            yield item

    def _error(self, return_code: int) -> LauncherError:
        if any(text in line for line in self._tail for text in _NO_HOSTS):
            unread = sorted({found[1] for line in self._tail for found in _UNREAD.finditer(line)})
            if unread:
                problem = f"the inventory {unread[0]} could not be read; the lines above say why"
                next_step = f"mend it, and look at what it gives: ansible-inventory -i {shlex.quote(unread[0])} --graph"
                return UsageError(problem, next_step=next_step)
            limit = self._request.limit
            problem = f"no host of the inventory matches the limit {limit!r}" if limit else "the inventory has no host"
            return UsageError(problem, next_step="name hosts or groups that ansible-inventory --graph shows")
        tail = "\n".join(f"  {line}" for line in self._tail) or "  (no output)"
        how = "was ended by a signal" if return_code == _ENDED_BY_SIGNAL else f"ended with code {return_code}"
        problem = f"ansible-playbook {how} before it had done anything; its last lines:\n{tail}"
        return PlaybookError(problem, next_step="mend what these lines name; --dry-run contacts no host")

    # --- in the thread ---------------------------------------------------------------------------------------------

    def _play(self, private: Path) -> None:
        try:
            config = prepare(self._request, private, self._root)
            handlers: dict[str, Any] = {"event_handler": self._handle, "cancel_callback": self._must_kill}
            # ansible-runner has no types.
            _, return_code = Runner(config, **handlers).run()  # type: ignore[no-untyped-call]
            ended = _ENDED_BY_SIGNAL if return_code is None else int(return_code)
            self._put(PlayEnded(ended, canceled=self._canceled_at_s is not None))
            self._put(None)
        except BaseException as error:  # noqa: BLE001 # handed over to the caller's thread, which raises it
            self._put(error)

    def _handle(self, raw: Mapping[str, object]) -> bool:
        """Take one event of ansible-runner; false, so that it keeps no file of it."""
        pid = raw.get("pid")
        if self._pid is None and isinstance(pid, int):
            self._pid = pid
            if self._canceled_at_s is not None:
                self._signal(signal.SIGTERM)
        if raw.get("event") == "playbook_on_start" and self._variables is not None:
            # Ansible has read it; so a launcher that is killed leaves no secret in a file.
            self._variables.unlink(missing_ok=True)
        for event in self._translator.translate(raw):
            if isinstance(event, Note):
                if event.text == _SSH_PROMPT_TEXT:
                    continue  # answered here, not by the user
                self._tail.append(event.text)
            self._put(event)
        return False

    def _put(self, item: Event | BaseException | None) -> None:
        """Hand an item over; a full backlog holds ansible-runner back, and so the nodes."""
        while not self._abandoned.is_set() and not self._backlog.put(item, _size_bytes(item), POLL_S):
            pass

    def _must_kill(self) -> bool:
        """Answer ansible-runner, which asks about every second: kill the playbook's process group now?"""
        if self._canceled_at_s is None:
            return False
        if self._pid is None:
            return True
        if time.monotonic() - self._canceled_at_s < _TERM_GRACE_S:
            return False
        # Workers lead sessions of their own: the group that ansible-runner kills does not have them.
        for worker in _children(self._pid):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(worker, signal.SIGKILL)
        return True

    # --- ending ----------------------------------------------------------------------------------------------------

    def _end(self, thread: threading.Thread) -> None:
        thread.join(0.1)
        if thread.is_alive():
            self.cancel()
            thread.join(_TERM_GRACE_S + 2 * _CANCEL_POLL_S + 1)

    def _signal(self, number: signal.Signals) -> None:
        """Signal ``ansible-playbook``, if it is still the process that the events came from."""
        if self._pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            # pexpect starts it as the leader of its own session; a process that got the number later is not.
            if os.getsid(self._pid) == self._pid:
                os.kill(self._pid, number)


def _size_bytes(item: object) -> int:
    """Return about what an item takes in memory; only lines come in such numbers that it matters."""
    texts = [line.text for line in item.lines] if isinstance(item, OutputLines) else [getattr(item, "text", "")]
    return sum(_LINE_BYTES + len(text) for text in texts)


def _children(pid: int) -> Iterator[int]:
    """Yield the process ids of the direct children of ``pid`` (from Linux' /proc; none elsewhere)."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # "pid (name) state ppid ...", where the name may hold anything.
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                yield int(path.parent.name)


def find_collection() -> Path | None:
    """Return the collection that belongs to this launcher: the clone's, or the one inside the installed package.

    None means that Ansible has to find an installed ``madlaunch.multinode`` by itself.
    """
    package = Path(__file__).resolve().parent
    for root in (package.parent, package / "_collection"):
        if (root / "galaxy.yml").is_file() and (root / "playbooks").is_dir():
            return root
    return None


def prepare(request: PlayRequest, private: Path, root: Path | None) -> RunnerConfig:
    """Write the files of one run below ``private`` (mode 0700) and return ansible-runner's configuration."""
    if root is not None:
        home = private / "collections" / "ansible_collections" / "madlaunch"
        home.mkdir(parents=True)
        (home / "multinode").symlink_to(root, target_is_directory=True)
    variables = private / VARIABLES
    _write_json(variables, unsafe(request.extra_vars))
    inventory = private / "inventory.json"
    _write_json(inventory, unsafe(request.inventory))
    (private / "env").mkdir(mode=0o700)
    _write_json(private / "env" / "settings", {"suppress_output_file": True, "pexpect_timeout": _CANCEL_POLL_S})
    config = RunnerConfig(  # type: ignore[no-untyped-call] # ansible-runner has no types
        private_data_dir=str(private),
        playbook=f"{COLLECTION}.{Path(request.playbook).stem}",
        passwords=_passwords(request),
        suppress_env_files=True,
        fact_cache_type="memory",
        ident="play",
        quiet=True,
    )
    config.prepare()  # type: ignore[no-untyped-call] # the same
    requested = request.environment if request.inventory_sources else {**_NOBODY_ELSE, **request.environment}
    requested = own_config(private, os.environ) | requested
    config.env = environment(config.env, requested, os.environ, private / "collections" if root else None)
    guard = [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid())]
    config.command = guard + command_line(request, inventory, variables)
    return config


def _passwords(request: PlayRequest) -> dict[str, str | None]:
    passwords: dict[str, str | None] = {_WHOLE_LINES: None}
    if request.secrets.ssh_password is not None:
        passwords[_SSH_PROMPT] = request.secrets.ssh_password.reveal()
    return passwords


def command_line(request: PlayRequest, inventory: Path, variables: Path) -> list[str]:
    """Return the command of ``ansible-playbook``; values of the user are in files, never in it."""
    argv = ["ansible-playbook"]
    for source in (*request.inventory_sources, str(inventory)):
        argv += ["--inventory", source]
    if request.limit:
        argv.append(f"--limit={request.limit}")
    argv += ["--extra-vars", f"@{variables}", "--forks", str(request.forks)]
    if request.check_mode:
        argv.append("--check")
    if request.secrets.ssh_password is not None:
        argv.append("--ask-pass")
    return [*argv, f"{COLLECTION}.{Path(request.playbook).stem}"]


def environment(
    prepared: Mapping[str, str], requested: Mapping[str, str], own: Mapping[str, str], collections: Path | None
) -> dict[str, str]:
    """Return the environment of ``ansible-playbook``.

    ``prepared`` is what ansible-runner made of ``own``, our own environment: its additions stay, but of what
    it copied the passwords and the settings that would change Ansible's output go.
    """
    added = {name: value for name, value in prepared.items() if own.get(name) != value}
    kept = {name: value for name, value in own.items() if _is_harmless(name)}
    result = {**kept, **added, **_OURS, **requested}
    for name in _FOREIGN:
        result.pop(name, None)
    # ansible-runner appends its folder to the user's; only its own callbacks are wanted.
    result["ANSIBLE_CALLBACK_PLUGINS"] = prepared.get("ANSIBLE_CALLBACK_PLUGINS", "").rpartition(":")[2]
    result["ANSIBLE_STDOUT_CALLBACK"] = "awx_display"
    result["ANSIBLE_COLLECTIONS_PATH"] = os.pathsep.join(_collection_folders(requested, own, collections))
    # ansible-playbook is beside our interpreter also when no virtual environment is activated.
    result["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), own.get("PATH", os.defpath)))
    return result


def _is_harmless(name: str) -> bool:
    if name.startswith("ANSIBLE_"):
        return name in _KEPT
    if name.startswith("LC_") or name == "LANGUAGE":
        return False
    return not (name.startswith("MADLAUNCH_") and ("PASSWORD" in name or "SECRET" in name))


def _collection_folders(
    requested: Mapping[str, str], own: Mapping[str, str], collections: Path | None
) -> Iterator[str]:
    if collections is not None:
        yield str(collections)
    yield from filter(None, (requested.get("ANSIBLE_COLLECTIONS_PATH"), own.get("ANSIBLE_COLLECTIONS_PATH")))
    yield from ("~/.ansible/collections", "/usr/share/ansible/collections")


def _write_json(path: Path, value: Any) -> None:  # noqa: ANN401 # any JSON value
    """Write a new file of mode 0600."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(value, stream)
