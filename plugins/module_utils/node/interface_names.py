# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interfaces a setting means, by the rules of NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME. Pure.

NCCL reads a list of prefixes separated by commas; `=` before the list asks for whole names, `^` means all others
(https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html#nccl-socket-ifname). Here a whole name wins over a
prefix: who writes eth1 does not mean eth10.
"""

from __future__ import annotations

SETTINGS = ("nccl_interface", "gloo_interface")


def matching(setting: str, value: str, names: list[str]) -> list[str]:
    """Return those of `names` that the value of this one of `SETTINGS` selects."""
    return (matching_nccl if setting == "nccl_interface" else matching_gloo)(value, names)


def matching_nccl(setting: str, names: list[str]) -> list[str]:
    """Return those of `names` that NCCL_SOCKET_IFNAME=`setting` selects, in its order (`^`: in theirs)."""
    sign = setting[:2] if setting.startswith("^=") else setting[:1] if setting[:1] in {"^", "="} else ""
    words = _words(setting[len(sign) :])
    selected = [name for word in words for name in _selected(word, names, prefix="=" not in sign)]
    if sign.startswith("^"):
        return [name for name in names if name not in selected and name != "lo"]
    return list(dict.fromkeys(selected))


def matching_gloo(setting: str, names: list[str]) -> list[str]:
    """Return those of `names` that GLOO_SOCKET_IFNAME=`setting` selects: whole names only."""
    return [word for word in _words(setting) if word in names]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _selected(word: str, names: list[str], *, prefix: bool) -> list[str]:
    if word in names:
        return [word]
    return [name for name in names if prefix and name.startswith(word)]
