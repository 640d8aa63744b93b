# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to ansible-runner, with real playbooks on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from madlaunch.events import Event, HostReachable, Note, OutputLine, OutputLines, PlanMade, PlayEnded, TaskFailed
from madlaunch.run import Play, PlaybookError, _passwords
from madlaunch.secrets import Secret, Secrets
from tests.launcher import small_collection as small


def _events(play: Play) -> list[Event]:
    return [event for event in play.events() if not isinstance(event, Note)]


def _lines(events: list[Event]) -> list[OutputLine]:
    return [line for event in events if isinstance(event, OutputLines) for line in event.lines]


def test_play_when_the_collection_answers_yields_typed_events_in_order(tmp_path: Path) -> None:
    """The answers, the labeled lines and the end arrive as typed events; other text of Ansible is no line."""
    root = small.make(
        tmp_path / "clone",
        {**small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}), "run_once": True},
        small.task(answer={"kind": "probe", "facts": {}}),
        small.task(show=["[a:0] one\n[a:0] two: \t[b:1] x", "[c:7] not planned", "[a:0] "]),
    )
    events = _events(Play(small.request(tmp_path), root))
    assert isinstance(events[0], PlanMade)
    assert events[0].plan.hosts[0].name == "a"
    assert events[1:] == [
        HostReachable("a"),
        OutputLines((OutputLine("a", 0, "one"), OutputLine("a", 0, "two: \t[b:1] x"))),
        OutputLines((OutputLine("a", 0, ""),)),
        PlayEnded(0, canceled=False),
    ]


def test_play_when_a_task_still_runs_yields_its_lines_live(tmp_path: Path) -> None:
    """A line is seen while the task that showed it waits for a file which is written only after the line was seen."""
    go = tmp_path / "go"
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(show=["[a:0] working"], wait_for=str(go), answer={"kind": "probe"}),
    )
    seen = []
    for event in Play(small.request(tmp_path), root).events():
        seen.append(event)
        if isinstance(event, OutputLines):
            assert HostReachable("a") not in seen
            go.touch()
    assert HostReachable("a") in seen


def test_play_when_ten_thousand_lines_come_yields_all_once_in_order(tmp_path: Path) -> None:
    """No line is lost, doubled, torn or moved, and no event is left as a file."""
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(label="[a:0]", count=100),
    )
    lines = _lines(_events(Play(small.request(tmp_path), root)))
    assert [line.text for line in lines] == [f"line {number}" for number in range(10_000)]


def test_play_when_a_long_line_comes_keeps_it_whole(tmp_path: Path) -> None:
    """A line of a megabyte with non-ASCII characters arrives as it was shown."""
    text = "xyzä" * 250_000
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(show=[f"[a:0] {text}"]),
    )
    assert _lines(_events(Play(small.request(tmp_path), root))) == [OutputLine("a", 0, text)]


def test_play_when_a_password_is_asked_sends_it_once_and_never_for_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt of Ansible is answered; the same words in a rank's line are not."""
    sent: list[str] = []
    from pexpect import spawn

    original = spawn.sendline

    def recorded(child: spawn[str], text: str = "") -> int:
        sent.append(text)
        return original(child, text)

    monkeypatch.setattr(spawn, "sendline", recorded)
    padded = "[a:0] " + "x" * 1900
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        *(
            small.task(show=["[a:0] SSH password: ", "[a:0] SSH password:", padded + "SSH password: "])
            for _ in range(2)
        ),
        small.task(msg="{{ ansible_password }}", fail=True),
    )
    secrets = Secrets(ssh_password=Secret("s3cret-{{ 1 }}"))
    events = _events(Play(small.request(tmp_path, secrets=secrets), root))
    assert sent == ["s3cret-{{ 1 }}"]
    assert len(_lines(events)) == 6
    assert any(isinstance(event, TaskFailed) for event in events)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param("SSH password: ", "pw", id="prompt"),
        pytest.param("[WARNING]: x\r\nSSH password: ", None, id="prompt after a line, which is taken first"),
        pytest.param("[a:0] SSH password: ", "no match", id="unfinished line of a rank"),
        pytest.param("[a:0] x\r\n[a:0] SSH password: ", None, id="after a line"),
        pytest.param("SSH password: \r\n", None, id="whole line"),
        pytest.param("Enter SSH password: ", "no match", id="other prompt"),
    ],
)
def test_passwords_when_output_is_searched_fit_the_prompt_alone(
    tmp_path: Path, window: str, expected: str | None
) -> None:
    """As pexpect searches the end of the output: only an unfinished line that is the prompt is answered."""
    from pexpect.expect import searcher_re

    patterns = _passwords(small.request(tmp_path, secrets=Secrets(ssh_password=Secret("pw"))))
    searcher = searcher_re([re.compile(pattern, re.MULTILINE) for pattern in patterns])
    index = searcher.search(window, len(window), 100)
    assert (list(patterns.values())[index] if index >= 0 else "no match") == expected


def test_play_when_a_secret_is_given_leaves_it_in_no_command_line_and_no_foreign_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the playbook runs, its arguments, its environment and every file are without the secrets."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "private"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "private"))
    (tmp_path / "private").mkdir()
    monkeypatch.setenv("MADLAUNCH_SSH_PASSWORD", "hidden-password")
    go, here = tmp_path / "go", tmp_path / "here"
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(touch=str(here), show=["[a:0] now"], wait_for=str(go)),
    )
    secrets = Secrets(ssh_password=Secret("hidden-password"))
    request = small.request(tmp_path, secrets=secrets, extra_vars={"container_env_secret": {"T": "{{ token }}"}})
    for event in Play(request, root).events():
        if isinstance(event, OutputLines):
            _assert_hidden(int(_read_soon(here)), tmp_path / "private")
            go.touch()
    assert list((tmp_path / "private").iterdir()) == []


def _read_soon(path: Path) -> str:
    for _ in range(200):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    pytest.fail(f"{path} was not written")


def _assert_hidden(worker: int, private: Path) -> None:
    parent = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    for pid in (worker, parent):
        for name in ("cmdline", "environ"):
            assert b"hidden-password" not in Path(f"/proc/{pid}/{name}").read_bytes()
            assert b"{{ token }}" not in Path(f"/proc/{pid}/{name}").read_bytes()
    files = [path for path in private.rglob("*") if path.is_file() and not path.is_symlink()]
    texts = {path.name: path.read_bytes() for path in files}
    assert [name for name, text in texts.items() if b"hidden-password" in text or b"{{ token }}" in text] == []
    # The file that held the variables is gone; its neighbor, written alike, shows the mode.
    assert {"inventory.json": 0o600}.items() <= {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}.items()
    (folder,) = private.glob("madlaunch-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("playbook", "expected"),
    [
        pytest.param("[{hosts: all, tasks: [{nonsense_action: {}}]}]", "nonsense_action", id="unknown module"),
        pytest.param("[{hosts: all, roles: [no_such_role]}]", "no_such_role", id="missing role"),
        pytest.param("[{hosts: all, tasks: {", "yaml", id="syntax"),
    ],
)
def test_play_when_ansible_itself_fails_raises_with_the_tail_of_its_output(
    tmp_path: Path, playbook: str, expected: str
) -> None:
    """A playbook that cannot be run is an error of the launcher (exit code 5) which shows what Ansible said."""
    root = small.make(tmp_path / "clone")
    (root / "playbooks" / "launch.yml").write_text(playbook)
    with pytest.raises(PlaybookError) as caught:
        list(Play(small.request(tmp_path), root).events())
    assert caught.value.exit_code == 5
    assert expected.lower() in str(caught.value).lower()


def test_play_when_the_collection_is_nowhere_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a clone and without an installed collection the error names the playbook that was not found."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("madlaunch.run.find_collection", lambda: None)
    with pytest.raises(PlaybookError, match=r"madlaunch\.multinode"):
        list(Play(small.request(tmp_path)).events())


def test_play_when_canceled_ends_the_playbook_and_its_workers(tmp_path: Path) -> None:
    """After cancel the end comes within seconds, marked as canceled, and the worker process is gone."""
    here = tmp_path / "here"
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(touch=str(here), show=["[a:0] now"], wait_for=str(tmp_path / "never"), limit_s=60),
    )
    play = Play(small.request(tmp_path), root)
    events = []
    for event in play.events():
        events.append(event)
        if isinstance(event, OutputLines):
            worker = int(_read_soon(here))
            started_s = time.monotonic()
            play.cancel()
    assert isinstance(events[-1], PlayEnded)
    assert events[-1].canceled
    assert time.monotonic() - started_s < 10
    assert _is_gone(worker)


def test_play_when_the_playbook_ignores_the_end_is_killed_with_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace SIGKILL goes to the playbook and to the workers, which are not in its process group."""
    monkeypatch.setattr("madlaunch.run._TERM_GRACE_S", 0.5)
    monkeypatch.setattr(Play, "_signal", lambda *_: None)
    here = tmp_path / "here"
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(touch=str(here), show=["[a:0] now"], wait_for=str(tmp_path / "never"), limit_s=60),
    )
    play = Play(small.request(tmp_path), root)
    for event in play.events():
        if isinstance(event, OutputLines):
            worker = int(_read_soon(here))
            play.cancel()
    assert _is_gone(worker)


def test_play_when_its_reader_leaves_ends_the_playbook(tmp_path: Path) -> None:
    """Closing the iterator in the middle leaves no process and no file behind."""
    here = tmp_path / "here"
    root = small.make(
        tmp_path / "clone",
        small.task(answer={"kind": "plan", "plan": small.plan(tmp_path, "a")}),
        small.task(touch=str(here), show=["[a:0] now"], wait_for=str(tmp_path / "never"), limit_s=60),
    )
    events = Play(small.request(tmp_path), root).events()
    for event in events:
        if isinstance(event, OutputLines):
            break
    worker = int(_read_soon(here))
    events.close()
    assert _is_gone(worker)
    assert [thread.name for thread in threading.enumerate() if thread.name == "ansible-runner"] == []


def test_play_when_the_launcher_is_killed_ends_the_playbook_and_its_workers(tmp_path: Path) -> None:
    """SIGKILL leaves the launcher no chance to clean up; its playbook ends all the same."""
    here = tmp_path / "here"
    small.make(tmp_path / "clone", small.task(touch=str(here), wait_for=str(tmp_path / "never"), limit_s=60))
    code = (
        "from pathlib import Path\nfrom madlaunch.run import Play\n"
        "from tests.launcher import small_collection as small\n"
        f"folder = Path({str(tmp_path)!r})\nlist(Play(small.request(folder), folder / 'clone').events())\n"
    )
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=environ) as launcher:
        worker = int(_read_soon(here))
        playbook = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        launcher.kill()
    assert _is_gone(worker)
    assert _is_gone(playbook)


def _is_gone(pid: int) -> bool:
    for _ in range(150):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":  # dead; whoever adopted it has not looked yet
            return True
        time.sleep(0.02)
    return False


def test_play_when_it_runs_leaves_the_signal_handlers_alone(tmp_path: Path) -> None:
    """ansible-runner installs no handler of its own over ours."""
    root = small.make(tmp_path / "clone", small.task(answer={"kind": "probe"}))
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    _events(Play(small.request(tmp_path), root))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_play_when_values_look_like_templates_hands_them_on_unchanged(tmp_path: Path) -> None:
    """Inventory and extra variables are neither templated nor retyped."""
    values = ["{{ 1 + 1 }}", "", "1.10", "yes", "a'b\"c$d`e\nf;g", "-dash", "ü", "0755"]
    root = small.make(tmp_path / "clone", small.task(fail=True, msg="{{ [extra, hosted] | to_json }}"))
    inventory = {"all": {"hosts": {"a": {"ansible_connection": "local", "hosted": values}}}}
    events = _events(Play(small.request(tmp_path, inventory=inventory, extra_vars={"extra": values}), root))
    (failed,) = [event for event in events if isinstance(event, TaskFailed)]
    assert json.loads(failed.message) == [values, values]
