# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about the files themselves."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MADE_BY_TOOLS = {".git", "__pycache__", "build", "dist", "output", "ansible_collections"}
LICENSE = "SPDX-License-Identifier: GPL-3.0-or-later"
HOME_OF_A_USER = re.compile(r"/(?:home|Users)/(?!ubuntu\b)[a-z][\w-]*/")
PRIVATE_ADDRESS = re.compile(r"(?:https?://|git@)[\w.-]*(?:\.internal|\.corp|\.local)\b")


def _files() -> list[Path]:
    """Return the files of the clone, without those that tools made."""
    found = []
    for folder, folders, names in os.walk(REPOSITORY):
        folders[:] = [
            name
            for name in folders
            if name not in MADE_BY_TOOLS and not name.endswith(("_cache", ".egg-info")) and not name.startswith(".venv")
        ]
        found += [Path(folder) / name for name in names]
    return sorted(path for path in found if ".ansible" not in path.parts)


def _name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


FILES = _files()
PYTHON = [path for path in FILES if path.suffix == ".py" and not path.is_symlink()]
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]


def test_launcher_when_listed_then_is_not_executable() -> None:
    """AWX takes every executable file of a project for an inventory script."""
    assert (REPOSITORY / "launcher.py").stat().st_mode & 0o111 == 0


def test_templates_when_listed_then_are_links_to_those_of_the_roles() -> None:
    """There is one real copy of a template; a link to a folder would not survive Ansible's sanity tests."""
    links = {path.name: path.readlink() for path in (REPOSITORY / "templates").iterdir()}
    real = (REPOSITORY / "roles").glob("*/templates/*.j2")
    assert links == {path.name: Path("..") / path.relative_to(REPOSITORY) for path in real}


def test_links_when_listed_then_none_is_to_a_folder() -> None:
    """Links to folders fail Ansible's sanity tests and lead tools round in circles."""
    assert [_name(path) for path in FILES if path.is_symlink() and path.is_dir()] == []


def test_scenarios_when_listed_then_each_is_described_and_none_brings_a_play() -> None:
    """CONTRIBUTING.md says what each Molecule scenario shows; plays are where AWX does not offer them."""
    molecule = REPOSITORY / "extensions" / "molecule"
    scenarios = sorted(path.parent.name for path in molecule.glob("*/molecule.yml"))
    described = re.findall(r"^\| `([a-z_]+)` \|", (REPOSITORY / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    assert sorted(described) == scenarios
    files = {str(path.relative_to(molecule)) for path in molecule.glob("[a-z]*/**/*") if path.is_file()}
    names = ("molecule.yml", "tasks/converge.yml", "tasks/verify.yml")
    assert files == {f"{scenario}/{name}" for scenario in scenarios for name in names}


def test_exceptions_of_the_sanity_tests_when_read_then_each_has_its_reason() -> None:
    """An ignore line without a reason would hide a fault for ever; a line of a file that is gone hides nothing."""
    lines = [
        line for path in (REPOSITORY / "tests/sanity").glob("ignore-*.txt") for line in path.read_text().splitlines()
    ]
    assert [line for line in lines if not re.fullmatch(r"\S+ [\w-]+(:[\w-]+)? # \S.{20,}", line)] == []
    assert [line for line in lines if not (REPOSITORY / line.split()[0]).exists()] == []


def test_python_files_when_read_then_each_names_its_license() -> None:
    """Every file says under which license it is; the empty file that makes a package has nothing to license."""
    heads = {_name(path): path.read_text(encoding="utf-8")[:400] for path in PYTHON}
    assert [name for name, head in heads.items() if head and LICENSE not in head] == []


def test_python_files_when_measured_then_each_is_within_the_ceiling() -> None:
    """A file that needs more than 400 lines has more than one subject."""
    lines = {_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PYTHON}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_files_when_searched_then_none_names_a_private_place() -> None:
    """Nobody's home folder and no address behind somebody's firewall is in the repository (tests make some up)."""
    found = []
    for path in FILES:
        if path.is_symlink() or path.is_relative_to(REPOSITORY / "tests"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [(_name(path), match[0]) for match in HOME_OF_A_USER.finditer(text)]
        found += [(_name(path), match[0]) for match in PRIVATE_ADDRESS.finditer(text)]
    assert found == []


def _anchor(heading: str) -> str:
    """Return the anchor that a heading gets on GitHub: lower case, no punctuation, dashes for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _anchors(path: Path) -> set[str]:
    without_code = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {_anchor(match[1]) for match in re.finditer(r"^#+ (.*)$", without_code, flags=re.MULTILINE)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_document_when_followed_then_its_links_lead_somewhere(path: Path) -> None:
    """Every link to a file of the repository names one that exists, and every anchor a heading of it."""
    broken = []
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []
