# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first login at a host, tried again where the server turned it away because too many came at once.

Private to the collection. sshd takes only so many logins at a time (MaxStartups 10:30:100, see sshd_config(5)): from
the eleventh on it closes connections by chance. Where all hosts are behind one jump host, that meets most of them.
"""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING, TypeVar

from ansible.errors import AnsibleConnectionFailure

if TYPE_CHECKING:
    from collections.abc import Callable

# How ssh says that the connection was made and closed before anybody could log in. A jump host that does this to the
# ssh in between leaves the outer one with a server of no name, at port 65535.
_TURNED_AWAY = re.compile(
    r"(?:kex|ssh)_exchange_identification|banner exchange|closed by \S+ port \d+|reset by \S+ port \d+|"
    r"unknown port 65535|stdio forwarding failed",
    re.IGNORECASE,
)
# How Ansible says that ssh ended while it got its input, when Ansible looked too soon to see why.
_UNTOLD = re.compile(
    r"could not be sent to remote host \S+ make sure this host can be reached over ssh[.:]*\s*(?:\[errno \d+\][^:]*)?$",
    re.IGNORECASE,
)
# Only these: a password that is refused must not be tried again, or the account is locked.
_FINAL = re.compile(r"permission denied|host key verification failed|too many authentication failures", re.IGNORECASE)
_TRIES = 7
_FIRST_PAUSE_S = 0.5
_WHY = "the SSH server, or that of a jump host, takes only so many at once (MaxStartups in its sshd_config)"

Answer = TypeVar("Answer")


def patiently(
    login: Callable[[], Answer],
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> Answer:
    """Return what `login` returns, tried again with growing pauses of random length as long as it is turned away.

    A failure without a reason is tried once more, for the reason: not more often, since it may be a wrong password.
    Raises the `AnsibleConnectionFailure` of the last try, at once if it has another reason. `say` is told when it was
    turned away.
    """
    waited_s = 0.0
    turned_away = untold = 0
    while True:
        try:
            answer = login()
        except AnsibleConnectionFailure as error:
            if is_untold(str(error)) and not untold:
                untold += 1
                continue
            turned_away += 1
            if turned_away == _TRIES or not is_turned_away(str(error)):
                raise
            # By chance, or all that were turned away together would come again together.
            pause_s = _FIRST_PAUSE_S * 2 ** (turned_away - 1) * (0.5 + chance())
            waited_s += pause_s
            sleep(pause_s)
        else:
            if turned_away:
                times = "once" if turned_away == 1 else f"{turned_away} times"
                say(f"the login was turned away {times}, which cost {waited_s:.1f} s: {_WHY}")
            return answer


def is_untold(message: str) -> bool:
    """Tell whether the connection failed and Ansible did not wait for the reason."""
    return bool(_UNTOLD.search(message.strip()))


def is_turned_away(message: str) -> bool:
    """Tell whether the server closed the connection before anybody could log in."""
    return bool(_TURNED_AWAY.search(message)) and not _FINAL.search(message)
