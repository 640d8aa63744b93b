# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets hide themselves."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict

import pytest

from madlaunch.secrets import Secret, Secrets
from tests.launcher.settling import launch


def test_secret_when_displayed_in_any_way_then_is_masked() -> None:
    """Only reveal() gives the text."""
    secret = Secret("hunter2")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>10}",
        f"{[secret]}",
        repr(Secrets(secret, {"A": secret})),
    ]
    assert [text for text in shown if "hunter2" in text] == []
    assert shown[:4] == ["********", "********", "********", "  ********"]
    assert secret.reveal() == "hunter2"


def test_secret_when_compared_then_by_text() -> None:
    """Equal texts are equal secrets; a text is not a secret."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("é"), Secret("é")}) == 1


def test_secret_when_it_would_leave_the_process_then_refused() -> None:
    """Neither pickle nor JSON writes it."""
    with pytest.raises(TypeError, match="not written to files"):
        pickle.dumps(Secret("a"))
    with pytest.raises(TypeError):
        json.dumps(asdict(Secrets(Secret("a"))))


def test_secrets_when_texts_are_asked_for_then_longest_first_and_once() -> None:
    """A display masks the longer one first, so that no rest of it stays."""
    secrets = Secrets(Secret("abc"), {"A": Secret("abcdef"), "B": Secret("abc"), "C": Secret("")})
    assert secrets.texts() == ("abcdef", "abc")
    assert Secrets().texts() == ()


def test_launch_when_shown_then_holds_no_secret() -> None:
    """The password is in the repr of nothing that is passed on."""
    made = launch(nodes="a", ssh_password="hunter2")
    assert made.request.secrets.ssh_password == Secret("hunter2")
    assert "hunter2" not in repr(made)
