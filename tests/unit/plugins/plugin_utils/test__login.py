# SPDX-License-Identifier: GPL-3.0-or-later
"""A login that is turned away because too many came at once is tried again; any other failure is final."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.madlaunch.multinode.plugins.plugin_utils._login import is_turned_away, is_untold, patiently

AWAY = "Failed to connect to the host via ssh: kex_exchange_identification: Connection closed by remote host"
REFUSED = (
    "Failed to connect to the host via ssh: u@h: Permission denied (publickey). Connection closed by 1.2.3.4 port 22"
)

UNTOLD = "Data could not be sent to remote host '198.18.16.10'. Make sure this host can be reached over SSH."


class Server:
    """Turns the first logins away."""

    def __init__(self, *failures: str) -> None:
        self.failures = list(failures)
        self.logins = 0
        self.slept_s: list[float] = []
        self.said: list[str] = []

    def login(self) -> str:
        """Log in."""
        self.logins += 1
        if self.failures:
            raise AnsibleConnectionFailure(self.failures.pop(0))
        return "facts"

    def answer(self) -> str:
        """Log in patiently, with chances that are all the same."""
        return patiently(self.login, self.said.append, self.slept_s.append, lambda: 0.5)


def test_login_when_it_is_let_in_then_nothing_is_said() -> None:
    """The ordinary case."""
    server = Server()
    assert (server.answer(), server.logins, server.slept_s, server.said) == ("facts", 1, [], [])


def test_login_when_turned_away_then_comes_again_later_and_says_why_it_was_slow() -> None:
    """The pauses grow, and the reason is in the log."""
    server = Server(AWAY, AWAY)
    assert (server.answer(), server.logins, server.slept_s) == ("facts", 3, [0.5, 1.0])
    why = "the SSH server, or that of a jump host, takes only so many at once (MaxStartups in its sshd_config)"
    assert server.said == [f"the login was turned away 2 times, which cost 1.5 s: {why}"]


def test_login_when_always_turned_away_then_fails_in_the_end() -> None:
    """A ban looks the same, and does not pass."""
    server = Server(*[AWAY] * 9)
    with pytest.raises(AnsibleConnectionFailure, match="kex_exchange"):
        server.answer()
    assert (server.logins, sum(server.slept_s)) == (7, 31.5)


def test_login_when_refused_then_is_not_tried_again() -> None:
    """A wrong password, tried often enough, locks an account."""
    server = Server(REFUSED)
    with pytest.raises(AnsibleConnectionFailure, match="Permission denied"):
        server.answer()
    assert server.logins == 1


def test_login_when_ansible_did_not_wait_for_the_reason_then_is_asked_once_more_for_it() -> None:
    """A busy control node: the password was wrong, but all that was told is that ssh took no more input."""
    server = Server(UNTOLD, REFUSED)
    with pytest.raises(AnsibleConnectionFailure, match="Permission denied"):
        server.answer()
    assert (server.logins, server.slept_s) == (2, [])


def test_login_when_there_is_never_a_reason_then_is_tried_twice_only() -> None:
    """It may be a wrong password every time."""
    server = Server(UNTOLD, UNTOLD, UNTOLD)
    with pytest.raises(AnsibleConnectionFailure, match="could not be sent"):
        server.answer()
    assert server.logins == 2


def test_login_when_there_was_no_reason_and_then_it_is_turned_away_then_is_patient() -> None:
    """What is said later counts the times that it was turned away."""
    server = Server(UNTOLD, AWAY)
    assert (server.answer(), server.logins, server.slept_s) == ("facts", 3, [0.5])
    assert server.said[0].startswith("the login was turned away once")


@pytest.mark.parametrize(
    ("message", "untold"),
    [
        pytest.param(UNTOLD, True, id="newer_core"),
        pytest.param(UNTOLD + ": [Errno 32] Broken pipe", True, id="with_cause"),
        pytest.param(
            'Data could not be sent to remote host "h". Make sure this host can be reached over ssh: '
            "[Errno 32] Broken pipe",
            True,
            id="older_core",
        ),
        pytest.param(
            'Data could not be sent to remote host "h". Make sure this host can be reached over ssh: '
            "u@h: Permission denied (publickey).",
            False,
            id="told",
        ),
        pytest.param(AWAY, False, id="turned_away"),
    ],
)
def test_untold_when_no_word_of_ssh_is_there(message: str, *, untold: bool) -> None:
    """The reason of ssh itself is final, or shows that it was turned away."""
    assert is_untold(message) is untold


@pytest.mark.parametrize(
    ("message", "turned_away"),
    [
        pytest.param("Connection timed out during banner exchange", True, id="banner"),
        pytest.param("Connection closed by UNKNOWN port 65535", True, id="jump_host"),
        pytest.param("Connection reset by 198.18.0.1 port 22", True, id="reset"),
        pytest.param("connect to host h port 22: Connection refused", False, id="nobody_listens"),
        pytest.param("connect to host h port 22: Connection timed out", False, id="host_down"),
        pytest.param("Host key verification failed. Connection closed by UNKNOWN port 65535", False, id="host_key"),
    ],
)
def test_turned_away_when_ssh_says_so(message: str, *, turned_away: bool) -> None:
    """Only what passes by itself."""
    assert is_turned_away(message) is turned_away
