# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the help (pure)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madlaunch.settings_model import Setting

WIDTH = 100
_FLAG_WIDTH = 34

_WHERE = (
    "A run of this machine is known by its id alone; for one that was started elsewhere name its nodes with -i, "
    "--nodes or --hostfile."
)

DESCRIPTIONS = {
    "run": (
        "Launch one distributed madengine training over SSH on many nodes: check them, start one rank per node, "
        "show their output, stop all when one fails, and collect the results.\n\n"
        "Verbs: run (the default, so flags alone are a run), check (check the nodes, start nothing), "
        "render (contact no host, show what would run); and for a run that was started: status, logs, attach, stop, "
        "list, collect."
    ),
    "check": "Check all nodes as before a run, report everything that is wrong, and start nothing.",
    "render": "Contact no host; show the inventory, the settings with their sources, and the command per rank.",
    "status": (
        "Tell how a run stands: per rank its state, runtime, last line and the age of its last output. "
        f"Changes nothing. {_WHERE}"
    ),
    "logs": (
        "Show what the ranks of a run have printed, and with -f what they print. Only looks: neither the lease of the "
        f"run nor its ranks notice, and Ctrl-C ends the looking. {_WHERE}"
    ),
    "attach": (
        "Take a run over again, as if its launcher had never left it: all its lines, the rule for the first failure, "
        "the lease, the results. Ctrl-C stops the run (to watch it only, use logs -f). "
        f"{_WHERE}"
    ),
    "stop": (
        "End a run on all its nodes, look again, and say what is left. Returns when that is known; it can be repeated "
        f"at any time. {_WHERE}"
    ),
    "list": (
        "List the runs of this machine, the newest first; with -i, --nodes or --hostfile those that the nodes know."
    ),
    "collect": (f"Bring the logs of a run home, and if it has ended also its merged results and its verdict. {_WHERE}"),
}

EXAMPLES = (
    "launcher.py --model TAG --nodes 192.168.1.1,192.168.1.2 --ssh-user ubuntu --ssh-key ~/.ssh/id_rsa",
    "launcher.py --model TAG --nodes 'node[01-16]' --master-port 5000 --timeout 7200 --additional-args '--some-flag'",
    "launcher.py check --model TAG --inventory cluster.yml --limit rack1",
    "launcher.py render --config launch.yml",
    "launcher.py --detach --model TAG --nodes 'node[01-16]'   then: launcher.py status, logs -f, attach, collect, stop",
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
    blocks = [_usage(program, verb, rows), _paragraphs(DESCRIPTIONS[verb])]
    for group in dict.fromkeys(row.group for row in rows):
        entries = [_entry(row) for row in rows if row.group == group]
        blocks.append("\n".join([f"{group}:", *entries]))
    blocks += [
        "\n".join(["Examples:", *(f"  {line}" for line in EXAMPLES)]),
        _paragraphs(SOURCES),
        _paragraphs(EXIT_CODES),
    ]
    return "\n\n".join(blocks) + "\n"


def _usage(program: str, verb: str, rows: tuple[Setting[Any], ...]) -> str:
    """Return the first line; the verb run may be left out."""
    words = "".join(f" [{row.metavar}]" for row in rows if row.positional)
    return f"Usage: {program.replace(' run', ' [run]') if verb == 'run' else program}{words} [FLAGS]"


def _paragraphs(text: str) -> str:
    """Return text in lines of :data:`WIDTH`."""
    return "\n\n".join(textwrap.fill(part, WIDTH) for part in text.split("\n\n"))


def _entry(row: Setting[Any]) -> str:
    """Return one flag with its help beside or below it."""
    value = "" if row.kind == "switch" or row.positional else f" {row.metavar}"
    head = "  " + ", ".join(filter(None, (row.short, row.flag))) + value
    lines = textwrap.wrap(row.help + default_hint(row), WIDTH - _FLAG_WIDTH)
    indent = " " * _FLAG_WIDTH
    if len(head) < _FLAG_WIDTH - 1:
        return "\n".join([head.ljust(_FLAG_WIDTH) + lines[0], *(indent + line for line in lines[1:])])
    return "\n".join([head, *(indent + line for line in lines)])
