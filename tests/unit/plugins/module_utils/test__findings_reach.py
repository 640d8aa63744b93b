# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight finds about hosts that give no answer, by the words of ssh."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.findings_case import Case, finding

FAILED = "Failed to connect to the host via ssh: "
CHANGED = """@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@
Add correct host key in /etc/other to get rid of this message.
Offending ED25519 key in /home/u/.ssh/known hosts:7
Host key for [10.9.0.2]:2222 has changed and you have requested strict checking.
Host key verification failed."""

TROUBLES = [
    (
        "u@10.9.0.2: Permission denied (publickey,password).",
        "the login was refused: the key or the password is not accepted",
        "ssh-copy-id 10.9.0.2, or give the right --ssh-user with --ssh-key FILE or --ask-pass.",
    ),
    (
        "Invalid/incorrect password: Permission denied, please try again.",
        "the login was refused: the key or the password is not accepted",
        "ssh-copy-id 10.9.0.2, or give the right --ssh-user with --ssh-key FILE or --ask-pass.",
    ),
    (
        "@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\nu@10.9.0.2: Permission denied (publickey).",
        "ssh refuses the private key, because other users may read it",
        "chmod 600 KEYFILE, for the key that --ssh-key names.",
    ),
    (
        "No ED25519 host key is known for 10.9.0.2 and you have requested strict checking.",
        "the host's key is not known yet, and unknown keys are refused",
        "ssh-keyscan 10.9.0.2 >> ~/.ssh/known_hosts and compare the fingerprint, or --host-key-checking accept-new.",
    ),
    (
        "ssh: connect to host 10.9.0.2 port 22: Connection timed out",
        "the host does not answer",
        "Check that it is up and no firewall drops SSH: ping -c 1 10.9.0.2; or use --jump-host.",
    ),
    (
        "ssh: connect to host 10.9.0.2 port 22: Connection refused",
        "the host is there, but no SSH server listens on that port",
        "Start it (sudo systemctl start ssh), or give its port with --ssh-port or HOST:PORT.",
    ),
    (
        "ssh: connect to host 10.9.0.2 port 22: No route to host",
        "there is no route to the host",
        "Check the address and that the host is up: ping -c 1 10.9.0.2; or go through another one with --jump-host.",
    ),
    (
        "ssh: Could not resolve hostname node2: Name or service not known",
        "the name of the host cannot be resolved",
        "Correct the name, or add it to DNS, /etc/hosts or ~/.ssh/config; try: getent hosts 10.9.0.2",
    ),
    (
        "kex_exchange_identification: read: Connection reset by peer",
        "the SSH server closed the connection",
        "See the server's log (journalctl -u ssh): often MaxStartups, AllowUsers or a ban.",
    ),
    (
        "to use the 'ssh' connection type with passwords, you must install the sshpass program",
        "a password was given, but this version of ansible-core needs the program sshpass for it",
        "Install sshpass on the control node, use ansible-core 2.19 or later, or log in with a key.",
    ),
]


@pytest.mark.parametrize(
    ("said", "reason", "fix"),
    TROUBLES,
    ids=[
        "publickey",
        "password",
        "open-key-file",
        "unknown-key",
        "timeout",
        "refused",
        "no-route",
        "no-name",
        "closed",
        "sshpass",
    ],
)
def test_evaluate_when_a_host_is_not_reached_then_the_reason_is_told(said: str, reason: str, fix: str) -> None:
    """Each way in which ssh fails has its own next step; nothing else is said of a host that told nothing."""
    case = Case()
    case.probes["node2"] = {"unreachable": FAILED + said}
    case.confirms["node2"] = {}
    seen = (FAILED + said).splitlines()[-1]
    message = f"Not reachable: {reason}."
    assert case.findings() == [
        finding("reach", "error", "node2", message=message, seen=seen, expected="a login by ssh", fix=fix),
    ]


@pytest.mark.parametrize(
    ("login", "who", "command"),
    [
        ({"user": "ml", "port": 2222}, " of ml", "ssh-copy-id -p 2222 ml@10.9.0.2, or"),
        ({"user": "a b", "port": "22"}, " of a b", "ssh-copy-id 'a b@10.9.0.2', or"),
        ({"user": None, "port": 2222}, "", "ssh-copy-id -p 2222 10.9.0.2, or"),
    ],
    ids=["user-and-port", "odd-user", "port"],
)
def test_evaluate_when_the_login_is_refused_then_the_command_has_its_user_and_port(
    login: dict[str, Any], who: str, command: str
) -> None:
    """What the inventory says of the login stands in the message and in the command that mends it."""
    case = Case().set_host(2, **login)
    case.probes["node2"] = {"unreachable": "Permission denied (publickey)."}
    case.confirms["node2"] = {}
    (found,) = case.findings()
    assert found["message"] == f"Not reachable: the login was refused: the key or the password{who} is not accepted."
    assert found["fix"].startswith(command)


def test_evaluate_when_the_words_of_ssh_are_unknown_then_they_are_shown() -> None:
    """What is not understood is not made up."""
    case = Case().set_host(2, address="odd host")
    case.probes["node2"] = {"unreachable": "Strange\n\n"}
    assert case.findings() == [
        finding(
            "reach",
            "error",
            "node2",
            message="Not reachable by ssh.",
            seen="Strange",
            expected="a login by ssh",
            fix="Try the login by hand: ssh -v 'odd host' true",
        ),
    ]


@pytest.mark.parametrize(
    ("said", "command"),
    [
        (CHANGED.replace("\n", "\r\n"), "ssh-keygen -f '/home/u/.ssh/known hosts' -R '[10.9.0.2]:2222'"),
        (CHANGED, "ssh-keygen -f '/home/u/.ssh/known hosts' -R '[10.9.0.2]:2222'"),
        ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "ssh-keygen -R 10.9.0.2"),
    ],
    ids=["from-a-terminal", "with-port", "bare"],
)
def test_evaluate_when_a_host_key_has_changed_then_the_command_removes_the_old_one(said: str, command: str) -> None:
    """The command names the file and the name, with the port, under which ssh keeps the key."""
    case = Case()
    case.probes["node2"] = {"unreachable": FAILED + said}
    found = case.findings()
    assert [(one["check"], one["seen"]) for one in found] == [("reach", "a changed host key")]
    assert found[0]["fix"] == "If the host was installed anew: " + command


def test_evaluate_when_a_host_is_lost_between_the_exchanges_then_it_is_not_reached() -> None:
    """The first answer does not help a host that is gone at the second."""
    case = Case()
    case.confirms["node3"] = {"unreachable": "Connection timed out"}
    assert [one[:3] for one in case.brief()] == [("reach", "error", "node3")]


@pytest.mark.parametrize("hint", ["sudo dnf install python3", ""])
def test_evaluate_when_there_is_no_python_then_the_hint_is_the_fix(hint: str) -> None:
    """A host that was reached but cannot run the preflight needs a Python."""
    case = Case()
    case.probes["node2"] = {"error": {"message": "no Python 3.8 or later was found", "hint": hint}}
    case.confirms["node2"] = {}
    assert case.findings() == [
        finding(
            "python",
            "error",
            "node2",
            message="The preflight cannot run: no Python 3.8 or later was found",
            seen="no Python 3.8 or later was found",
            expected="Python 3.8 or later",
            fix=hint or "Install Python 3.8 or later: sudo apt install python3",
        ),
    ]


@pytest.mark.parametrize("answer", [{"unreachable": "x"}, {"error": {"message": "x", "hint": "y"}}, {}])
def test_evaluate_when_rank_0_told_nothing_then_the_others_are_judged_all_the_same(answer: dict[str, Any]) -> None:
    """What compares with rank 0 is left out; what a host has of itself is not."""
    case = Case().spoil(2, "mad_dir", exists=False)
    case.probes["node1"], case.confirms["node1"] = answer, {}
    assert [one[:3] for one in case.brief() if one[2] != "node1"] == [("mad_dir", "error", "node2")]


def test_evaluate_when_reach_is_skipped_then_it_counts_all_the_same() -> None:
    """A host that cannot be spoken to cannot run a rank."""
    case = Case().set(skip_checks=["reach", "python"])
    case.probes["node2"] = {"unreachable": "Connection refused"}
    assert [one[:3] for one in case.brief()] == [("reach", "error", "node2")]
