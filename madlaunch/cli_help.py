# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the help (pure)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madlaunch.settings_model import Setting

WIDTH = 100
_FLAG_WIDTH = 34

DESCRIPTIONS = {
    "run": (
        "Launch one distributed madengine training over SSH on many nodes: check them, start one rank per node, "
        "show their output, stop all when one fails, and collect the results.\n\n"
        "Verbs: run (the default, so flags alone are a run), check (check the nodes, start nothing), "
        "render (contact no host, show what would run)."
    ),
    "check": "Check all nodes as before a run, report everything that is wrong, and start nothing.",
    "render": "Contact no host; show the inventory, the settings with their sources, and the command per rank.",
}

EXAMPLES = (
    "launcher.py --model TAG --nodes 192.168.1.1,192.168.1.2 --ssh-user ubuntu --ssh-key ~/.ssh/id_rsa",
    "launcher.py --model TAG --nodes 'node[01-16]' --master-port 5000 --timeout 7200 --additional-args '--some-flag'",
    "launcher.py check --model TAG --inventory cluster.yml --limit rack1",
    "launcher.py render --config launch.yml",
)

SOURCES = (
    "Every flag is also an environment variable (--master-port is MADLAUNCH_MASTER_PORT) and a key of the "
    "--config file (master_port: 5000). A flag beats the environment, that beats the file, that beats the default. "
    "In the environment and the file a switch is true or false; a repeatable flag is a list of words, quoted as in a "
    "shell, in the environment (MADLAUNCH_ENV=\"A=1 B='two words'\") and a YAML list in the file."
)

EXIT_CODES = (
    "Exit codes: 0 all ranks ended well, 1 a rank failed, 2 usage, 3 a check failed or a node was not reached, "
    "4 time limit, 5 the launcher itself, 130 interrupted."
)

EPILOG = "\n\n".join(("Examples:", *EXAMPLES, SOURCES, EXIT_CODES))


def default_hint(row: Setting[Any]) -> str:
    """Return `` (default: 4000)``, '' where the default is nothing."""
    if row.kind == "switch" or not isinstance(row.default, (str, int)) or row.default == "":
        return ""
    return f" (default: {row.default})"


def plain_help(program: str, verb: str, rows: tuple[Setting[Any], ...]) -> str:
    """Return the help of a verb as plain text, flags by group."""
    blocks = [_usage(program, verb), _paragraphs(DESCRIPTIONS[verb])]
    for group in dict.fromkeys(row.group for row in rows):
        entries = [_entry(row) for row in rows if row.group == group]
        blocks.append("\n".join([f"{group}:", *entries]))
    blocks += [
        "\n".join(["Examples:", *(f"  {line}" for line in EXAMPLES)]),
        _paragraphs(SOURCES),
        _paragraphs(EXIT_CODES),
    ]
    return "\n\n".join(blocks) + "\n"


def _usage(program: str, verb: str) -> str:
    """Return the first line; the verb run may be left out."""
    return f"Usage: {program.replace(' run', ' [run]') if verb == 'run' else program} [FLAGS]"


def _paragraphs(text: str) -> str:
    """Return text in lines of :data:`WIDTH`."""
    return "\n\n".join(textwrap.fill(part, WIDTH) for part in text.split("\n\n"))


def _entry(row: Setting[Any]) -> str:
    """Return one flag with its help beside or below it."""
    value = "" if row.kind == "switch" else f" {row.metavar}"
    head = "  " + ", ".join(filter(None, (row.short, row.flag))) + value
    lines = textwrap.wrap(row.help + default_hint(row), WIDTH - _FLAG_WIDTH)
    indent = " " * _FLAG_WIDTH
    if len(head) < _FLAG_WIDTH - 1:
        return "\n".join([head.ljust(_FLAG_WIDTH) + lines[0], *(indent + line for line in lines[1:])])
    return "\n".join([head, *(indent + line for line in lines)])
