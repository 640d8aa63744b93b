# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rank and the listener of rank 0 say to each other on the master port.

A line each: `madlaunch <proof> <rank> <word>` and the answer `<proof> <json>`. The proofs are hashes of the launch's
nonce, so neither a stranger on the port nor the listener of another launch is taken for ours. Words: `more` (the rank
comes again), `done`, `failed` (it will not come again), and of rank 0 itself `status` and `finish`.
"""

from __future__ import annotations

import hashlib
import json

MAX_BYTES = 200
MAX_ANSWER_BYTES = 1 << 16
WORDS = ("more", "done", "failed", "status", "finish")
_GREETING = "madlaunch"
_FIELDS = 4


class WrongAnswerError(Exception):
    """The other side is not the listener of this launch; the text is what it said."""


def hello(nonce: str, rank: int, word: str) -> bytes:
    """Return the line with which a rank introduces itself."""
    return f"{_GREETING} {_proof(nonce, rank, 'hello')} {rank} {word}\n".encode()


def read_hello(line: bytes, nonce: str) -> tuple[int, str] | None:
    """Return (rank, word) of a line that a rank of this launch sent, None for anything else."""
    fields = line.decode("ascii", "replace").split()
    if len(fields) != _FIELDS or fields[0] != _GREETING or not fields[2].isdigit() or fields[3] not in WORDS:
        return None
    rank = int(fields[2])
    return (rank, fields[3]) if fields[1] == _proof(nonce, rank, "hello") else None


def answer(nonce: str, rank: int, value: dict[str, list[int]]) -> bytes:
    """Return the line with which the listener answers a rank."""
    return f"{_proof(nonce, rank, 'answer')} {json.dumps(value)}\n".encode()


def read_answer(line: bytes, nonce: str, rank: int) -> dict[str, list[int]]:
    """Return the value of an answer; raises `WrongAnswerError`."""
    proof, _space, value = line.decode("utf-8", "replace").partition(" ")
    if proof != _proof(nonce, rank, "answer"):
        shown = line[:60]
        raise WrongAnswerError(repr(shown)[1:] if shown else "nothing")
    found: dict[str, list[int]] = json.loads(value)
    return found


def _proof(nonce: str, rank: int, what: str) -> str:
    return hashlib.sha256(f"{nonce}:{rank}:{what}".encode()).hexdigest()[:32]
