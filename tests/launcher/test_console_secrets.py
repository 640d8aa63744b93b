# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret reaches the screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from madlaunch.console import Voice
from madlaunch.console_json import JsonReporter
from madlaunch.console_text import TextReporter
from madlaunch.events import OutputLine, OutputLines
from tests.launcher import small_collection as small


@pytest.mark.parametrize("output", ["text", "json"])
def test_voice_when_a_line_holds_a_secret_masks_it(capsys: pytest.CaptureFixture[str], output: str) -> None:
    """A secret of six characters or more is masked, also in the spelling of JSON."""
    voice = Voice.standard(['se"cret', "1"], {})
    reporter = (
        JsonReporter(voice, small.job(Path("/l")))
        if output == "json"
        else TextReporter(voice, small.job(Path("/l")), small.request(Path("/r")))
    )
    reporter.handle(OutputLines((OutputLine("a", 0, 'token se"cret 1'),)))
    shown = capsys.readouterr().out
    assert "token ******** 1" in shown
    assert "cret" not in shown
