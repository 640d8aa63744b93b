# SPDX-License-Identifier: GPL-3.0-or-later
"""Launches of estates that have Ansible write its output in another way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.estating import LAUNCH, PLAYBOOK_FAILED

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.integration.estating import Estate, Played

pytestmark = [pytest.mark.cluster]

HOSTS = ("a", "b")
SECRET = "hf_not-for-the-screen"
# As ansible.posix.json does: nothing until the end, then one document of all results.
_DOCUMENT = """
import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = '''
name: document
type: stdout
short_description: one document at the end
description: one document at the end
'''


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "document"

    def __init__(self):
        super().__init__()
        self.results = []

    def _keep(self, result, **_options):
        self.results.append(json.loads(self._dump_results(result._result)))

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = _keep

    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps({"results": self.results}))
"""


@pytest.fixture
def estate(node_estate: Estate, node_cluster: Cluster) -> Estate:
    """An estate of two hosts and a callback of its own."""
    hosts = dict(zip(HOSTS, node_cluster.nodes, strict=False))
    node_estate.inventory(hosts, model="demo_env", grace_s=2, container_env_secret={"TOKEN": SECRET})
    node_estate.write("callback_plugins/document.py", _DOCUMENT)
    return node_estate


def _played(estate: Estate, callback: str, *words: str) -> Played:
    folder = estate.folder / "callback_plugins"
    return estate.play(LAUNCH, *words, ANSIBLE_STDOUT_CALLBACK=callback, ANSIBLE_CALLBACK_PLUGINS=str(folder))


@pytest.mark.parametrize("callback", ["minimal", "oneline", "document"])
def test_launch_when_the_estate_has_another_callback_then_lines_and_result_are_the_same(
    estate: Estate, callback: str
) -> None:
    """Lines of ranks are live in each; no secret is in the results, which some of them print in full."""
    played = _played(estate, callback)
    played.check_ok(*HOSTS)
    assert [("DEMO_ENV_BEGIN" in played.lines(host, rank)) for rank, host in enumerate(HOSTS)] == [True, True]
    assert SECRET not in played.text
    refused = _played(estate, callback, "-e", "shared_data_path=/nope")
    assert (refused.returncode, "/nope does not exist" in refused.text) == (PLAYBOOK_FAILED, True), refused.text


def test_launch_when_the_output_is_one_document_then_it_is_the_last_line(estate: Estate) -> None:
    """The live lines are before it; for programs there is summary.json."""
    played = _played(estate, "document")
    document = next(line for line in reversed(played.text.splitlines()) if line.startswith("{"))
    told = [item["madlaunch"] for item in json.loads(document)["results"] if "madlaunch" in item]
    assert [item["outcome"]["state"] for item in told if item["kind"] == "result"] == ["ok"]
