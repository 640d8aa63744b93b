# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of docs/estates.md, taken from the page, on two nodes."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.estating import Estate, sudoers
from tests.integration.launching import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster

pytestmark = [pytest.mark.cluster]

PAGE = (REPOSITORY / "docs/estates.md").read_text()
_FILE = re.compile(r"^`([^`\n]+\.yml)`[^\n]*:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _words(line: str) -> list[str]:
    """Return a command of the page as it is run here: the clone in its place, and nobody asked for a password."""
    for written, here in (("/path/to/clone", str(REPOSITORY)), ("--ask-vault-pass", "--vault-password-file secret")):
        line = line.replace(written, here)
    words = shlex.split(line)
    return [*words, "--vault-password-file", "secret"] if words[0] == "ansible-vault" else words


def _of_page(cluster: Cluster) -> dict[str, str]:
    """Return the files of the page, with the nodes of the cluster in place of those of the example."""
    first, second = cluster.nodes[:2]
    known = cluster.access.ssh_args()
    replaced = {
        "192.0.2.11": first.address,
        "192.0.2.12": second.address,
        "pyt_megatron_lm_train_llama2_7b": "demo_env",
        "ansible_user: train": f"ansible_user: {cluster.access.user}\nansible_ssh_extra_args: {known}",
        "ssh -i": f"ssh {known} -i",
        "train@": f"{cluster.access.user}@",
        "/srv/MAD": "/home/mluser/MAD",
        "not-for-everybody": cluster.access.password,
        "/opt/madengine/bin/madengine": "/run/node/bin/madengine",
    }
    files = dict(_FILE.findall(PAGE))
    for written, here in replaced.items():
        assert any(written in text for text in files.values()), f"{written} is no longer on the page"
        files = {name: text.replace(written, here) for name, text in files.items()}
    return files


@pytest.fixture
def estate(node_cluster: Cluster, tmp_path: Path) -> Iterator[Estate]:
    """An estate without the collection, with the key and the password of the vault in their places."""
    with tempfile.TemporaryDirectory(prefix="mad-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        made = Estate(node_cluster, tmp_path, home, home / ".ansible/collections")
        (home / ".ssh").mkdir()
        shutil.copy(node_cluster.access.key, home / ".ssh/cluster")
        made.write("secret", "of the estate\n")
        yield made


def test_example_when_followed_to_the_letter_then_trains(node_cluster: Cluster, estate: Estate) -> None:
    """Installed from the clone, looked at, checked and run between two plays of the estate."""
    for name, text in _of_page(node_cluster).items():
        estate.write(name, text)
    install, follow, *_later = _COMMANDS.findall(PAGE)
    with sudoers(node_cluster.nodes[1], "mluser ALL=(ALL) ALL\n"):
        said = [estate.run(*_words(line)) for line in [*install.splitlines(), *follow.splitlines()]]
    assert (estate.folder / "inventory/group_vars/training/vault.yml").read_text().startswith("$ANSIBLE_VAULT;")
    dry, run = said[2], said[4]
    assert ("=== rank 1 on gpu02, madengine v2" in dry, "hf_0123456789" in dry + run) == (True, False)
    summaries = list((estate.home / ".local/state/madlaunch/runs").glob("*/summary.json"))
    assert len(summaries) == 1
    shown = run.splitlines()
    assert [line for line in shown if line.startswith(("[gpu01:0] ", "[gpu02:1] "))][:1] != []
    assert sum('"msg": "trained"' in line for line in shown) == 2
    assert (node_cluster.nodes[1].path("/root/.local/state/madlaunch/runs") / summaries[0].parent.name).is_dir()
