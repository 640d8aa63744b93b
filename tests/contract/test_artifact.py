# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection and the Python package as they are built and installed."""

from __future__ import annotations

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


def test_wheel_when_built_then_the_launcher_brings_the_collection_along(tmp_path: Path) -> None:
    """An installed launcher finds its playbooks: they lie inside the package, under one name."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if "/licenses/" not in name and ".dist-info/" not in name}
    collection = {f"madlaunch/_collection/{name}" for folder in FOLDERS for name in _files_of(folder)}
    assert names == collection | {"madlaunch/_collection/galaxy.yml"} | _files_of("madlaunch")
