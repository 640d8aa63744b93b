# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts to values: one small parser per kind of setting, the same for flags, environment and files.

A parser takes the texts that were given (one, or several for a flag that may be repeated) and
returns the value, or raises ValueError with the reason. It also says which form is allowed.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from madlaunch.hostlist_names import HOST_FORM, PORT_FORM, USER_FORM, parse_host, parse_port, parse_user
from madlaunch.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_NUMBER = re.compile(r"-?[0-9]{1,100}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_MAX_PASSWORD_BYTES = 4096


@dataclass(frozen=True)
class Parser(Generic[T]):
    """How the texts of one kind of setting are read."""

    allowed: str
    """The allowed form, as the second line of an error."""
    parse: Callable[[tuple[str, ...]], T]


def _scalar(allowed: str, read: Callable[[str], T]) -> Parser[T]:
    """Return a parser of one text; of several the last one counts, as in ssh and most tools."""
    return Parser(allowed, lambda texts: read(texts[-1]))


def check_encoding(text: str) -> str:
    """Return ``text`` if it can be written as UTF-8 and has no NUL, which no program could be given.

    Raises:
        ValueError: it cannot.

    """
    if "\0" in text:
        msg = f"{text!r} contains a NUL character"
        raise ValueError(msg)
    if any("\ud800" <= char <= "\udfff" for char in text):
        msg = f"{text!r} is not UTF-8"
        raise ValueError(msg)
    return text


def _read_word(text: str) -> str:
    check_encoding(text)
    if not text:
        msg = "the value is empty"
        raise ValueError(msg)
    if _CONTROL.search(text):
        msg = f"{text!r} contains a control character"
        raise ValueError(msg)
    if text.startswith("-"):
        msg = f"{text!r} starts with '-' and would be taken for an option"
        raise ValueError(msg)
    return text


def word(allowed: str = "one line of text that does not start with '-'") -> Parser[str]:
    """Return a parser of a text that will be one argument of a program."""
    return _scalar(allowed, _read_word)


def word_or_nothing(allowed: str) -> Parser[str]:
    """Return a parser like :func:`word` that also takes the empty text."""
    return _scalar(allowed, lambda text: _read_word(text) if text else "")


def absolute_path_or_nothing(allowed: str = "an absolute path, or '' for none") -> Parser[str]:
    """Return a parser of an absolute path on the nodes."""

    def read(text: str) -> str:
        if text and not _read_word(text).startswith("/"):
            msg = f"{text!r} is not an absolute path"
            raise ValueError(msg)
        return text

    return _scalar(allowed, read)


def shell_words(allowed: str = "words as in a shell, quotes closed") -> Parser[str]:
    """Return a parser of a text that is split into words like a shell's command line; it stays a text."""

    def read(text: str) -> str:
        try:
            shlex.split(check_encoding(text))
        except ValueError as error:
            msg = f"{text!r} cannot be split into words ({error})"
            raise ValueError(msg) from error
        return text

    return _scalar(allowed, read)


def whole_number(low: int, high: int, *, allowed: str = "", zero: bool = False) -> Parser[int]:
    """Return a parser of a whole number in ``low..high``, and of 0 too if ``zero``."""
    form = allowed or f"a whole number from {low} to {high}" + (", or 0" if zero else "")

    def read(text: str) -> int:
        if not _NUMBER.fullmatch(text):
            msg = f"{text!r} is not a whole number"
            raise ValueError(msg)
        number = int(text)
        if zero and number == 0:
            return number
        if number < low:
            msg = f"{text!r} is too small: it must be {'0, or ' if zero else ''}{low} or more"
            raise ValueError(msg)
        if number > high:
            msg = f"{text!r} is too large: it must be {high} or less"
            raise ValueError(msg)
        return number

    return _scalar(form, read)


def port() -> Parser[int]:
    """Return a parser of a TCP port."""
    return _scalar(PORT_FORM, parse_port)


def port_or_nothing() -> Parser[int | None]:
    """Return a parser of a TCP port that takes '' for: whatever ssh would take."""
    return _scalar(f"{PORT_FORM}, or '' for ssh's own", lambda text: parse_port(text) if text else None)


def host_or_nothing() -> Parser[str]:
    """Return a parser of one host without login and port."""
    return _scalar(f"{HOST_FORM}, or ''", lambda text: parse_host(text) if text else "")


def user_or_nothing() -> Parser[str]:
    """Return a parser of a login."""
    return _scalar(f"{USER_FORM}; or '' for ssh's own", lambda text: parse_user(text) if text else "")


def interface() -> Parser[str]:
    """Return a parser of the name of a network interface (at most 15 characters, as the kernel has it)."""

    def read(text: str) -> str:
        if text and not _INTERFACE.fullmatch(text):
            msg = f"{text!r} is not the name of a network interface"
            raise ValueError(msg)
        return text

    return _scalar("one interface such as ens14np0, 'auto' (the one towards the master), or '' to leave it out", read)


def choice(*names: str) -> Parser[str]:
    """Return a parser of one of ``names``."""

    def read(text: str) -> str:
        if text not in names:
            msg = f"{text!r} is not one of them"
            raise ValueError(msg)
        return text

    return _scalar(" or ".join(names), read)


def yes_or_no() -> Parser[bool]:
    """Return a parser of a boolean."""

    def read(text: str) -> bool:
        if text.lower() not in _TRUE | _FALSE:
            msg = f"{text!r} is neither yes nor no"
            raise ValueError(msg)
        return text.lower() in _TRUE

    return _scalar("true, yes, on, 1, false, no, off or 0", read)


def check_password(text: str) -> str:
    """Return ``text`` if ssh can take it as a password; the reasons never show it.

    Raises:
        ValueError: it is empty, has control characters, or is too long.

    """
    try:
        check_encoding(text)
    except ValueError:
        msg = "the password is not UTF-8 or contains a NUL character"
        raise ValueError(msg) from None
    if not text:
        msg = "the password is empty"
        raise ValueError(msg)
    if _CONTROL.search(text):
        msg = "the password contains a newline or another control character"
        raise ValueError(msg)
    if len(text.encode()) > _MAX_PASSWORD_BYTES:
        msg = f"the password is longer than {_MAX_PASSWORD_BYTES} bytes"
        raise ValueError(msg)
    return text


def password() -> Parser[Secret | None]:
    """Return a parser of a password."""
    return _scalar("one line, not empty", lambda text: Secret(check_password(text)))


def names_of(known: tuple[str, ...]) -> Parser[tuple[str, ...]]:
    """Return a parser of names out of ``known``; a text may hold several, separated by commas."""

    def parse(texts: tuple[str, ...]) -> tuple[str, ...]:
        names = [name.strip() for text in texts for name in text.split(",")]
        unknown = next((name for name in names if name not in known), None)
        if unknown is not None:
            msg = f"{unknown!r} is not a check"
            raise ValueError(msg)
        return tuple(dict.fromkeys(names))

    return Parser("any of " + " ".join(known), parse)


def words(allowed: str) -> Parser[tuple[str, ...]]:
    """Return a parser of several texts, each one a word."""
    return Parser(allowed, lambda texts: tuple(_read_word(text) for text in texts))


def assignments() -> Parser[dict[str, str]]:
    """Return a parser of NAME=VALUE texts; the last one of a name counts."""
    return Parser("NAME=VALUE; NAME has letters, digits and '_'", lambda texts: dict(map(read_assignment, texts)))


def read_assignment(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``; the reasons never show the value.

    Raises:
        ValueError: there is no '=', or the name is not one of an environment variable.

    """
    name, equals, value = text.partition("=")
    if not equals:
        msg = "there is no '=' in it"
        raise ValueError(msg)
    if not _ENV_NAME.fullmatch(name):
        msg = f"{name!r} is not the name of an environment variable"
        raise ValueError(msg)
    try:
        check_encoding(value)
    except ValueError:
        msg = f"the value of {name} is not UTF-8 or contains a NUL character"
        raise ValueError(msg) from None
    return name, value
