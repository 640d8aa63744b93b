# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection and the Python package as they are built and installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ["meta", "playbooks", "plugins", "roles"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that ansible-galaxy builds from the clone."""
    folder = tmp_path_factory.mktemp("artifact")
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return next(folder.glob("madlaunch-multinode-*.tar.gz"))


def _names(artifact: Path) -> list[PurePosixPath]:
    with tarfile.open(artifact) as archive:
        return [PurePosixPath(member.name) for member in archive if not member.isdir()]


def test_artifact_when_built_then_holds_only_what_a_collection_is(artifact: Path) -> None:
    """No launcher, no tests, no examples: an estate gets the parts that Ansible loads, and the texts about them."""
    tops = {path.parts[0] for path in _names(artifact)}
    texts = {"CHANGELOG.rst", "LICENSE", "README.md"} & {path.name for path in REPOSITORY.iterdir()}
    made = {"FILES.json", "MANIFEST.json"}
    assert tops == {"changelogs", "meta", "playbooks", "plugins", "roles"} | texts | made


def _files_of(folder: str) -> set[str]:
    """Return the files below one folder of the clone, without those that tools made."""
    return {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and not any(part.endswith(("_cache", "__pycache__")) for part in path.parts)
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_artifact_when_built_then_holds_every_file_of(artifact: Path, folder: str) -> None:
    """Nothing that the playbooks need is left out by a pattern of build_ignore."""
    assert {str(path) for path in _names(artifact) if path.parts[0] == folder} == _files_of(folder)


def test_artifact_when_built_then_has_no_compiled_files(artifact: Path) -> None:
    """Caches of the machine that built it stay there."""
    assert [str(path) for path in _names(artifact) if "cache" in str(path) or path.suffix == ".pyc"] == []


@pytest.fixture(scope="module")
def bare_install(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections in which only what Ansible loads is left of ours."""
    folder = tmp_path_factory.mktemp("collections")
    install = ["ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", str(folder), str(artifact)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    installed = folder / "ansible_collections" / "madlaunch" / "multinode"
    for path in installed.iterdir():
        if path.name not in {*FOLDERS, "FILES.json", "MANIFEST.json"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


def _playbook(collections: Path, home: Path, *words: str) -> str:
    """Return what ansible-playbook prints in a place where it can find nothing else of ours."""
    inventory = {"all": {"hosts": {name: {"ansible_user": "nobody"} for name in ("node01", "node02")}}}
    (home / "inventory.json").write_text(json.dumps(inventory))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    env = kept | {"HOME": str(home), "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"}
    argv = ["ansible-playbook", "-i", "inventory.json", *words]
    done = subprocess.run(argv, cwd=home, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_artifact_when_installed_then_every_playbook_finds_its_parts(bare_install: Path, tmp_path: Path) -> None:
    """Each playbook is known by its full name, with all roles, task files and plugins that it names."""
    names = sorted(path.stem for path in (REPOSITORY / "playbooks").glob("*.yml"))
    said = _playbook(bare_install, tmp_path, "--syntax-check", *(f"madlaunch.multinode.{name}" for name in names))
    assert [Path(line.split()[1]).stem for line in said.splitlines() if line.startswith("playbook: ")] == names


def test_artifact_when_installed_then_the_dry_run_renders_from_it_alone(bare_install: Path, tmp_path: Path) -> None:
    """Templates and node programs are inside: `--check` shows a script per rank and version, with no clone around."""
    said = _playbook(bare_install, tmp_path, "madlaunch.multinode.launch", "--check", "-e", "model=tag")
    assert said.count("exec madengine run ") == 4


def test_wheel_when_built_then_the_launcher_brings_the_collection_along(tmp_path: Path) -> None:
    """An installed launcher finds its playbooks: they lie inside the package, under one name."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if "/licenses/" not in name and ".dist-info/" not in name}
    collection = {f"madlaunch/_collection/{name}" for folder in FOLDERS for name in _files_of(folder)}
    assert names == collection | {"madlaunch/_collection/galaxy.yml"} | _files_of("madlaunch")
