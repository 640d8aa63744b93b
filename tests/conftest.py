# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test shares: the clone, importable as the collection it is."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def _link_collection() -> Path:
    """Make a folder in which ``ansible_collections/madlaunch/multinode`` is a link to this clone.

    It lies outside the repository: a link inside would be a loop for every tool that walks the tree. Each pytest
    process (xdist starts several) has its own, removed when the process ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="madlaunch-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    namespace = folder / "ansible_collections" / "madlaunch"
    namespace.mkdir(parents=True)
    (namespace / "multinode").symlink_to(REPOSITORY, target_is_directory=True)
    return folder


# At import, not in a fixture: test modules import the collection while pytest collects them.
_COLLECTIONS_PATH = _link_collection()
sys.path.insert(0, str(_COLLECTIONS_PATH))
# Tests run ansible-inventory and the like; those of this environment, also when it is not activated.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


# What a shell starts in the background ignores Ctrl-C, and hands that on to all it starts; the launcher respects it.
# Tests that press Ctrl-C must not depend on how pytest was started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return REPOSITORY


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """The value of ANSIBLE_COLLECTIONS_PATH with which Ansible finds this clone as madlaunch.multinode."""
    return _COLLECTIONS_PATH


@pytest.fixture(scope="session")
def torch_python() -> Path:
    """The interpreter that has PyTorch, from the environment that ``bash test.sh --with-torch`` makes."""
    python = REPOSITORY / ".venv-torch" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs PyTorch: bash test.sh --with-torch")
    return python
