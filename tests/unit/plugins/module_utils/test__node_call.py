# SPDX-License-Identifier: GPL-3.0-or-later
"""How the control node calls the node program: a real shell, real and made-up Pythons."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.madlaunch.multinode.plugins.module_utils import _node_call
from ansible_collections.madlaunch.multinode.plugins.module_utils._node_call import NodeCallError

NODE = Path(_node_call.__file__).parent / "node"
LOADER = ("loader", (NODE / "loader.py").read_text())
ERRORS = ("errors", (NODE / "errors.py").read_text())
TOKEN = "c0ffee"


def run(entry_source: str, *, interpreter: str = sys.executable, path: str | None = None, args: object = None) -> str:
    """Call a made-up entry `e` through the real line; return everything that came back."""
    modules = [LOADER, ERRORS, ("e", entry_source)]
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    done = subprocess.run(
        ["/bin/sh", "-c", _node_call.shell_line(interpreter)],
        input=_node_call.document("e", {"value": args}, modules, TOKEN),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=30,
    )
    return done.stdout + done.stderr


def fake_python(folder: Path, name: str, script: str) -> None:
    """Make a program that is found under the name of a Python."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def only_in(monkeypatch: pytest.MonkeyPatch, *candidates: str) -> None:
    """Leave out the candidates of this machine itself."""
    monkeypatch.setattr(_node_call, "CANDIDATES", candidates)


@pytest.mark.parametrize("interpreter", ["", "/opt/my python/bin/python3", "py'thon"])
def test_shell_line_survives_every_login_shell(interpreter: str) -> None:
    """One line, nothing that csh would expand, and `sh` finds no fault with it."""
    line = _node_call.shell_line(interpreter)
    assert "\n" not in line
    assert "!" not in line
    subprocess.run(["/bin/sh", "-n", "-c", line], check=True)


@pytest.mark.parametrize(
    "value",
    ['it\'s "$HOME" `x` \\ ! \n ü \u2028 \x00', None, [1, {"a": 1.5}], "x" * 300_000],
    ids=["hostile", "null", "nested", "large"],
)
def test_call_returns_what_the_entry_returned(value: object) -> None:
    """Any JSON value, of any size, arrives and comes back unchanged."""
    answer = run("def main(args):\n    return args\n", args=value)
    assert _node_call.parse(answer, TOKEN) == {"value": value}


def test_call_works_through_a_second_shell() -> None:
    """Ansible hands the line to `/bin/sh -c` as one quoted word of the login shell."""
    document = _node_call.document("e", {}, [LOADER, ("e", "def main(args):\n    return {'a': 1}\n")], TOKEN)
    line = f"/bin/sh -c {shlex.quote(_node_call.shell_line(sys.executable))} && sleep 0"
    done = subprocess.run(["bash", "-c", line], input=document, capture_output=True, text=True, check=True)
    assert _node_call.parse(done.stdout, TOKEN) == {"a": 1}


def test_answer_is_found_in_noise() -> None:
    """What a profile script or the entry itself prints does no harm."""
    answer = run(
        "import os\nprint('import')\ndef main(args):\n    print('noise'); os.system('echo more'); return {'a': 1}\n"
    )
    assert _node_call.parse(f"Welcome to node01\n{answer}bye\n", TOKEN) == {"a": 1}


def test_error_of_the_node_comes_with_its_hint() -> None:
    """A NodeError is passed on as it is."""
    answer = run("from .errors import NodeError\ndef main(args):\n    raise NodeError('no room', 'make room')\n")
    with pytest.raises(NodeCallError) as caught:
        _node_call.parse(answer, TOKEN)
    assert (caught.value.kind, caught.value.message, caught.value.hint) == ("node", "no room", "make room")


def test_fault_of_the_node_program_comes_with_its_trace() -> None:
    """Whatever else goes wrong there comes back as an answer too."""
    with pytest.raises(NodeCallError) as caught:
        _node_call.parse(run("def main(args):\n    return 1 / 0\n"), TOKEN)
    assert caught.value.message == "the node program failed: ZeroDivisionError: division by zero"
    assert 'File "<node/e.py>", line 2, in main' in caught.value.hint


@pytest.mark.parametrize(
    "came",
    ["", f"{TOKEN}{{}}", f"{TOKEN}no json{TOKEN}", "Last login: today\nAccount expired"],
    ids=["nothing", "half", "no-json", "refused"],
)
def test_anything_else_is_a_bad_answer_with_its_end(came: str) -> None:
    """Half an answer is none."""
    with pytest.raises(NodeCallError) as caught:
        _node_call.parse(came, TOKEN)
    shown = came or "nothing"
    assert (caught.value.kind, caught.value.message) == (
        "bad_answer",
        f"the host did not give the answer that was expected, but: {shown}",
    )


def test_bad_candidates_lead_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, too old, a broken shim: the next one gets the whole document."""
    only_in(monkeypatch, "pythonA", "pythonB", "pythonC", "pythonD", "pythonE")
    fake_python(tmp_path / "bin", "pythonB", "exit 86")
    fake_python(tmp_path / "bin", "pythonC", "echo 'pyenv: python3.9: command not found' >&2; exit 127")
    fake_python(tmp_path / "bin", "pythonD", "")
    (tmp_path / "bin" / "pythonD").write_bytes(b"\x7fELFbroken")
    fake_python(tmp_path / "bin", "pythonE", f'exec {sys.executable} "$@"')
    answer = run("def main(args):\n    return {}\n", interpreter="", path=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert _node_call.parse(answer, TOKEN) == {}


def test_host_without_a_python_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own kind, with what to do."""
    only_in(monkeypatch, "pythonA", "pythonB")
    fake_python(tmp_path / "bin", "pythonB", "exit 86")
    answer = run("", interpreter="", path=f"{tmp_path}/bin")
    with pytest.raises(NodeCallError) as caught:
        _node_call.parse(answer, TOKEN)
    assert (caught.value.kind, caught.value.message) == (
        "no_python",
        "the host has no Python 3.8 or later that can be run",
    )
    assert "ansible_python_interpreter" in caught.value.hint


def test_named_interpreter_is_the_only_candidate(tmp_path: Path) -> None:
    """A wrong name is told, not mended; blanks in the path do no harm."""
    with pytest.raises(NodeCallError, match="no Python"):
        _node_call.parse(run("", interpreter=str(tmp_path / "missing")), TOKEN)
    fake_python(tmp_path / "my bin", "python3", f'exec {sys.executable} "$@"')
    answer = run("def main(args):\n    return {}\n", interpreter=str(tmp_path / "my bin" / "python3"))
    assert _node_call.parse(answer, TOKEN) == {}


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.7.16"])
def test_old_python_gives_up_before_it_reads(version: str) -> None:
    """It can parse the bootstrap, says that it is too old, and leaves standard input to the next one."""
    python = Path.home() / f".pyenv/versions/{version}/bin/python"
    if not python.exists():
        pytest.skip(f"no Python {version} at {python}")
    line = f"{python} -E -s -S -c {shlex.quote(_node_call._BOOTSTRAP)}; echo $?; cat"
    done = subprocess.run(["sh", "-c", line], input="document", capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("86\ndocument", "")


def test_current_directory_is_not_searched_for_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named json.py in the home directory must not be run."""
    (tmp_path / "json.py").write_text("raise SystemExit('wrong json')")
    monkeypatch.chdir(tmp_path)
    assert _node_call.parse(run("import sys\ndef main(args):\n    return {'p': '' in sys.path}\n"), TOKEN) == {
        "p": False
    }


def relative_imports(name: str) -> set[str]:
    """Return the modules of the package that a module names in its imports."""
    found: set[str] = set()
    for statement in ast.walk(ast.parse((NODE / f"{name}.py").read_text())):
        if isinstance(statement, ast.ImportFrom) and statement.level == 1:
            found |= {statement.module} if statement.module else {alias.name for alias in statement.names}
    return found


@pytest.mark.parametrize("entry", sorted(_node_call.MODULES))
def test_modules_of_an_entry_are_complete_and_in_order(entry: str) -> None:
    """Every module comes after those it imports, none twice, the loader first and the entry last."""
    names = _node_call.MODULES[entry]
    assert (names[0], names[-1], len(set(names))) == ("loader", entry, len(names))
    for position, name in enumerate(names):
        assert relative_imports(name) - set(names[:position]) == set(), name


def test_document_is_ascii_json() -> None:
    """No locale can damage it on the way."""
    text = _node_call.document("status", {"a": "ü"}, [("loader", "# ü")], TOKEN)
    assert text.isascii()
    assert json.loads(text) == {
        "modules": [["loader", "# ü"]],
        "entry": "status:main",
        "args": {"a": "ü"},
        "token": TOKEN,
    }
