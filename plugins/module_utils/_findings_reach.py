# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks `reach`, `python` and `forks`: whether a host can be spoken to, and all of them at once.

Private to the collection.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ._findings_common import Finding, Host, Launch, Text, error, quoted, warning

# Which check a probe belongs to that gave no answer, and how bad that is.
_CHECK_OF_FACT = {
    "interfaces": "interface",
    "master": "master_addr",
    "state": "free_space",
    "mad_dir": "mad_dir",
    "madengine": "madengine",
    "discover": "model",
    "leftovers": "leftovers",
    "gpus": "gpus",
}
_ONLY_WARNED = {"leftovers", "gpus"}

_CHANGED_NAME = re.compile(r"[Hh]ost key for (\S+) has changed")
_KNOWN_HOSTS = re.compile(r"Offending \S+ key in (.+?)(?::\d+)?\s*$", re.MULTILINE)


class _Trouble(NamedTuple):
    """A way in which ssh fails: how its message is known, and what to say. Words in braces are replaced."""

    pattern: str
    message: str
    fix: str


# In this order: a message of ssh often holds several of these, the cause before its consequence.
_TROUBLES = (
    _Trouble(
        r"unprotected private key file|bad permissions",
        "ssh refuses the private key, because other users may read it",
        "chmod 600 KEYFILE, for the key that --ssh-key names.",
    ),
    _Trouble(
        r"sshpass",
        "a password was given, but this version of ansible-core needs the program sshpass for it",
        "Install sshpass on the control node, use ansible-core 2.19 or later, or log in with a key.",
    ),
    _Trouble(
        r"too long for unix domain socket",
        "the path of the socket for shared connections is too long for this system",
        "Shorten it: ansible_control_path_dir=/tmp/cp, or ANSIBLE_SSH_CONTROL_PATH_DIR=/tmp/cp.",
    ),
    _Trouble(
        r"host key verification failed|host key is known for|authenticity of host",
        "the host's key is not known yet, and unknown keys are refused",
        "ssh-keyscan {address} >> ~/.ssh/known_hosts and compare the fingerprint, or --host-key-checking accept-new.",
    ),
    _Trouble(
        r"permission denied|authentication failure|incorrect password|invalid.*password|no more authentication methods",
        "the login was refused: {who} is not accepted",
        "ssh-copy-id {login}, or give the right --ssh-user with --ssh-key FILE or --ask-pass.",
    ),
    _Trouble(
        r"could not resolve hostname|name or service not known|temporary failure in name resolution",
        "the name of the host cannot be resolved",
        "Correct the name, or add it to DNS, /etc/hosts or ~/.ssh/config; try: getent hosts {address}",
    ),
    _Trouble(
        r"connection refused",
        "the host is there, but no SSH server listens on that port",
        "Start it (sudo systemctl start ssh), or give its port with --ssh-port or HOST:PORT.",
    ),
    _Trouble(
        r"no route to host|network is unreachable",
        "there is no route to the host",
        "Check the address and that the host is up: ping -c 1 {address}; or go through another one with --jump-host.",
    ),
    _Trouble(
        r"timed? ?out",
        "the host does not answer",
        "Check that it is up and no firewall drops SSH: ping -c 1 {address}; or use --jump-host.",
    ),
    _Trouble(
        r"connection (?:closed|reset)|kex_exchange_identification|broken pipe",
        "the SSH server closed the connection",
        "See the server's log (journalctl -u ssh): often MaxStartups, AllowUsers or a ban.",
    ),
)


def _reach(launch: Launch) -> list[Finding]:
    found = []
    for host in launch.hosts:
        for answer in (host.probe, host.confirm):
            if "unreachable" in answer:
                found.append(_unreachable(host, str(answer["unreachable"])))
                break
    return found


def _unreachable(host: Host, said: str) -> Finding:
    expected = "a login by ssh"
    seen = _last_line(said)
    if re.search(r"remote host identification has changed|host key for \S+ has changed", said, re.IGNORECASE):
        return error("reach", host.name, _changed_key(host, said))
    for trouble in _TROUBLES:
        if re.search(trouble.pattern, said, re.IGNORECASE):
            message = f"Not reachable: {_filled(trouble.message, host)}."
            return error("reach", host.name, Text(message, seen, expected, _filled(trouble.fix, host)))
    fix = f"Try the login by hand: ssh -v {quoted(host.address)} true"
    return error("reach", host.name, Text("Not reachable by ssh.", seen, expected, fix))


def _filled(text: str, host: Host) -> str:
    """Put the host's address and, as far as the inventory has them, its user and SSH port into a text."""
    address, user, port = host.address, host.settings.get("user"), str(host.settings.get("port") or "22")
    login = quoted(f"{user}@{address}" if user else address)
    values = {
        "address": quoted(address),
        "login": login if port == "22" else f"-p {quoted(port)} {login}",
        "who": "the key or the password" + (f" of {user}" if user else ""),
    }
    return re.sub(r"\{(address|login|who)\}", lambda match: values[match.group(1)], text)


def _changed_key(host: Host, said: str) -> Text:
    name = _CHANGED_NAME.search(said)
    file = _KNOWN_HOSTS.search(said)
    known_hosts = f"-f {quoted(file.group(1))} " if file else ""
    known_as = quoted(name.group(1) if name else host.address)
    fix = f"If the host was installed anew: ssh-keygen {known_hosts}-R {known_as}"
    message = "Not reachable: the host's key has changed; it was installed anew, or another host answers."
    return Text(message, "a changed host key", "the host key in known_hosts", fix)


def _python(launch: Launch) -> list[Finding]:
    """The host was reached, but the program that asks for the facts could not be run there."""
    found = []
    for host in launch.hosts:
        refused = host.probe.get("error") or host.confirm.get("error")
        if refused:
            fix = refused.get("hint") or "Install Python 3.8 or later: sudo apt install python3"
            message = f"The preflight cannot run: {refused['message']}"
            text = Text(message, refused["message"], "Python 3.8 or later", fix)
            found.append(error("python", host.name, text))
    return found


def _forks(launch: Launch) -> list[Finding]:
    forks, nnodes = int(launch.plan.get("forks") or 0), len(launch.hosts)
    if not forks or forks >= nnodes:
        return []
    message = f"Ansible works on {forks} hosts at a time, so the {nnodes} ranks would start one after the other."
    fix = (
        f"Leave out --forks of the launcher, or give at least {nnodes}. In Ansible: ansible-playbook --forks {nnodes}, "
        f"or ANSIBLE_FORKS={nnodes}, or Forks = {nnodes} in the AWX job template."
    )
    return [error("forks", None, Text(message, f"forks = {forks}", f"forks >= {nnodes}", fix))]


def _not_probed(launch: Launch) -> list[Finding]:
    found = []
    for host in launch.told:
        for fact, reason in ((host.facts or {}).get("failed") or {}).items():
            check = _CHECK_OF_FACT.get(fact)
            if check:
                make = warning if fact in _ONLY_WARNED else error
                message = f"This could not be checked: {reason}."
                fix = f"See what keeps the host from answering, or leave the check out: --skip-check {check}"
                found.append(make(check, host.name, Text(message, reason, "an answer", fix)))
    return found


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


JUDGES = (_reach, _python, _forks, _not_probed)
