# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of settings: every flag, environment variable, configuration key, default and help text."""

from __future__ import annotations

from typing import Any

from madlaunch import settings_parse as parse
from madlaunch.hostlist import NODES_FORM
from madlaunch.hostlist_ranges import MAX_NODES
from madlaunch.settings_gang import FOLD, MAX_RESTARTS, SHARE_HOSTS, SHOW_RANKS, SILENCE_TIMEOUT_S
from madlaunch.settings_known import DETACH, FOLLOW, RANK, RUN_ID, TAIL
from madlaunch.settings_limits import (
    CHECKS,
    GROUP_CHECK,
    GROUP_END,
    GROUP_LOGIN,
    GROUP_NETWORK,
    GROUP_NODES,
    GROUP_OUTPUT,
    GROUP_WHAT,
    MAX_GRACE_S,
    MAX_NPROC,
    MIN_LEASE_S,
    ONE_YEAR_S,
)
from madlaunch.settings_model import Setting

MODEL = Setting(
    "model", parse.word(), "", "Model tag that madengine runs. Required.", GROUP_WHAT, scope="run", metavar="TAG"
)
ADDITIONAL_ARGS = Setting(
    "additional_args",
    parse.shell_words(),
    "",
    "More arguments for madengine, in one quoted text; split like a shell's words, never given to a shell.",
    GROUP_WHAT,
    scope="run",
    metavar="WORDS",
)
MADENGINE_PATH = Setting(
    "madengine_path",
    parse.word("a program: a name found by PATH, or a path on the nodes"),
    "madengine",
    "The madengine program on the nodes.",
    GROUP_WHAT,
    scope="host",
    metavar="PROGRAM",
)
MADENGINE_VERSION = Setting(
    "madengine_version",
    parse.choice("auto", "1", "2"),
    "auto",
    "Major version of madengine to write the command for: 1, 2, or auto (asked on every node).",
    GROUP_WHAT,
    scope="run",
    metavar="VERSION",
)
MAD_DIR = Setting(
    "mad_dir",
    parse.word("a path on the nodes; a relative one starts in the login's home"),
    "MAD",
    "The MAD checkout on the nodes. Each run works in a fresh copy of it.",
    GROUP_WHAT,
    scope="host",
    metavar="DIR",
)
IN_PLACE = Setting(
    "in_place",
    parse.yes_or_no(),
    default=False,
    help="Run in the MAD checkout itself, not in a copy.",
    group=GROUP_WHAT,
    scope="run",
    kind="switch",
)
NPROC_PER_NODE = Setting(
    "nproc_per_node",
    parse.whole_number(0, MAX_NPROC, allowed=f"a whole number up to {MAX_NPROC}; 0 counts the GPUs"),
    0,
    "Processes per node; 0 counts the GPUs of each node.",
    GROUP_WHAT,
    scope="host",
    metavar="N",
)
RUNNER = Setting(
    "runner",
    parse.word(),
    "torchrun",
    "Distributed runner that madengine uses.",
    GROUP_WHAT,
    scope="run",
    metavar="NAME",
)
ENV = Setting(
    "env",
    parse.assignments(),
    {},
    "Variable for the containers of all ranks. Repeatable.",
    GROUP_WHAT,
    scope="run",
    kind="list",
    variable="container_env",
    metavar="NAME=VALUE",
)
ENV_FILE = Setting(
    "env_file",
    parse.word_or_nothing("a file of NAME=VALUE lines"),
    "",
    "File of NAME=VALUE lines for the containers, as docker reads them: taken literally, quotes included. "
    "The values are masked wherever they are shown.",
    GROUP_WHAT,
    metavar="FILE",
)

NODES = Setting(
    "nodes",
    parse.word_or_nothing(NODES_FORM),
    "",
    "Nodes in rank order, separated by commas: host, user@host:port, node[01-16], IPv6 in brackets.",
    GROUP_NODES,
    metavar="LIST",
)
HOSTFILE = Setting(
    "hostfile",
    parse.word_or_nothing("a host file"),
    "",
    "File with one host a line (DeepSpeed, Open MPI: 'host slots=N'; the slots are not used).",
    GROUP_NODES,
    metavar="FILE",
)
INVENTORY = Setting(
    "inventory",
    parse.words("an Ansible inventory: a file, a directory, or 'host1,host2'"),
    (),
    "Ansible inventory; its logins and variables hold, and beat the login flags. Repeatable.",
    GROUP_NODES,
    kind="list",
    metavar="SOURCE",
    short="-i",
)
LIMIT = Setting(
    "limit",
    parse.word_or_nothing("an Ansible host pattern"),
    "",
    "Only these hosts of the inventory (an Ansible pattern). Only with --inventory.",
    GROUP_NODES,
    metavar="PATTERN",
)
NNODES = Setting(
    "nnodes",
    parse.whole_number(0, MAX_NODES),
    0,
    "Refuse to start with another number of nodes than this; 0 takes any.",
    GROUP_NODES,
    scope="run",
    metavar="N",
)
FORKS = Setting(
    "forks",
    parse.whole_number(0, MAX_NODES),
    0,
    "How many hosts Ansible serves at once; 0 means all of them.",
    GROUP_NODES,
    metavar="N",
)

SSH_USER = Setting(
    "ssh_user", parse.user_or_nothing(), "", "Login on all nodes; without it ssh decides.", GROUP_LOGIN, metavar="USER"
)
SSH_KEY = Setting(
    "ssh_key",
    parse.word_or_nothing("a private key file"),
    "",
    "Private key file. Without key and password, ssh's agent and configuration are used.",
    GROUP_LOGIN,
    metavar="FILE",
)
SSH_PASSWORD = Setting(
    "ssh_password",
    parse.password(),
    None,
    "Password on all nodes. Visible in the process list: prefer one of the next two, or the environment variable.",
    GROUP_LOGIN,
    metavar="TEXT",
)
ASK_PASS = Setting(
    "ask_pass", parse.yes_or_no(), default=False, help="Ask for the password.", group=GROUP_LOGIN, kind="switch"
)
SSH_PASSWORD_FILE = Setting(
    "ssh_password_file",
    parse.word_or_nothing("a file whose first line is the password"),
    "",
    "File whose first line is the password.",
    GROUP_LOGIN,
    metavar="FILE",
)
SSH_PORT = Setting(
    "ssh_port",
    parse.port_or_nothing(),
    None,
    "Port of sshd on the nodes; without it ssh decides.",
    GROUP_LOGIN,
    metavar="PORT",
)
SSH_ARGS = Setting(
    "ssh_args",
    parse.shell_words(),
    "",
    "More arguments for ssh, in one quoted text; they win over the launcher's own.",
    GROUP_LOGIN,
    metavar="WORDS",
)
JUMP_HOST = Setting(
    "jump_host",
    parse.word_or_nothing("[user@]host[:port], several separated by commas"),
    "",
    "Reach the nodes through this host (several: separated by commas). "
    "It is logged in to by key or agent, never by the password, and without --ssh-args.",
    GROUP_LOGIN,
    metavar="HOST",
)
HOST_KEY_CHECKING = Setting(
    "host_key_checking",
    parse.choice("accept-new", "strict", "off"),
    "accept-new",
    "Host keys: accept-new learns unknown ones and refuses changed ones; strict refuses both; off takes any.",
    GROUP_LOGIN,
    metavar="MODE",
)

MASTER_ADDR = Setting(
    "master_addr",
    parse.host_or_nothing(),
    "",
    "Address of rank 0 for the training (default: the first node). A node of the list named here becomes rank 0.",
    GROUP_NETWORK,
    scope="run",
    metavar="ADDRESS",
)
MASTER_PORT = Setting(
    "master_port", parse.port(), 4000, "Port of rank 0 for the training.", GROUP_NETWORK, scope="run", metavar="PORT"
)
NCCL_INTERFACE = Setting(
    "nccl_interface",
    parse.interface(),
    "ens14np0",
    "Network interface for NCCL; auto takes the one that leads to the master, '' leaves it out.",
    GROUP_NETWORK,
    scope="host",
    metavar="NAME",
)
GLOO_INTERFACE = Setting(
    "gloo_interface",
    parse.interface(),
    "ens14np0",
    "Network interface for Gloo; as --nccl-interface.",
    GROUP_NETWORK,
    scope="host",
    metavar="NAME",
)
SHARED_DATA_PATH = Setting(
    "shared_data_path",
    parse.absolute_path_or_nothing(),
    "/nfs/data",
    "Shared file system with the data, the same on all nodes; '' for none.",
    GROUP_NETWORK,
    scope="host",
    metavar="DIR",
)

TIMEOUT = Setting(
    "timeout",
    parse.whole_number(0, ONE_YEAR_S, allowed="whole seconds, at most a year; 0 for no limit"),
    3600,
    "Time limit of the run in seconds, kept on every node; 0 for none.",
    GROUP_END,
    scope="run",
    variable="timeout_s",
    metavar="SECONDS",
)
GRACE_S = Setting(
    "grace_s",
    parse.whole_number(0, MAX_GRACE_S),
    15,
    "Seconds between the signals when a rank is stopped (SIGINT, SIGTERM, SIGKILL).",
    GROUP_END,
    scope="run",
    metavar="SECONDS",
)
LEASE_S = Setting(
    "lease_s",
    parse.whole_number(MIN_LEASE_S, ONE_YEAR_S, zero=True),
    60,
    "A rank that has not heard from the launcher for so long ends itself; 0 for never.",
    GROUP_END,
    scope="run",
    metavar="SECONDS",
)
ON_FAILURE = Setting(
    "on_failure",
    parse.choice("stop", "wait"),
    "stop",
    "When a rank fails: stop the others, or wait for them.",
    GROUP_END,
    scope="run",
    metavar="stop|wait",
)

CHECK_ONLY = Setting(
    "check_only",
    parse.yes_or_no(),
    default=False,
    help="Check the nodes and start nothing (the verb check).",
    group=GROUP_CHECK,
    kind="switch",
)
DRY_RUN = Setting(
    "dry_run",
    parse.yes_or_no(),
    default=False,
    help="Contact no host; show inventory, settings with their sources and the command per rank (the verb render).",
    group=GROUP_CHECK,
    kind="switch",
)
SKIP_CHECK = Setting(
    "skip_check",
    parse.names_of(CHECKS),
    (),
    "Leave out this check: " + ", ".join(CHECKS) + ". Repeatable, or separated by commas.",
    GROUP_CHECK,
    scope="run",
    kind="list",
    variable="skip_checks",
    metavar="CHECK",
)

CONFIG = Setting(
    "config", parse.word_or_nothing("a YAML file"), "", "YAML file of settings.", GROUP_OUTPUT, metavar="FILE"
)
OUTPUT = Setting(
    "output",
    parse.choice("text", "json"),
    "text",
    "Text, or one JSON document a line.",
    GROUP_OUTPUT,
    metavar="text|json",
)
VERBOSE = Setting(
    "verbose",
    parse.yes_or_no(),
    default=False,
    help="Show Ansible's own output too.",
    group=GROUP_OUTPUT,
    kind="switch",
    short="-v",
)
LOG_DIR = Setting(
    "log_dir",
    parse.word_or_nothing("a directory on this machine"),
    "",
    "Directory on this machine in which each run makes its own (default: ~/.local/state/madlaunch/runs).",
    GROUP_OUTPUT,
    metavar="DIR",
)
NODE_STATE_DIR = Setting(
    "node_state_dir",
    parse.word_or_nothing("a directory on the nodes"),
    "",
    "Directory on the nodes for the files of runs (default: ~/.local/state/madlaunch).",
    GROUP_OUTPUT,
    scope="host",
    metavar="DIR",
)

TABLE: tuple[Setting[Any], ...] = (
    *(RUN_ID, FOLLOW, RANK, TAIL),
    *(
        MODEL,
        ADDITIONAL_ARGS,
        MADENGINE_PATH,
        MADENGINE_VERSION,
        MAD_DIR,
        IN_PLACE,
        NPROC_PER_NODE,
        RUNNER,
        ENV,
        ENV_FILE,
    ),
    *(NODES, HOSTFILE, INVENTORY, LIMIT, NNODES, FORKS),
    *(SSH_USER, SSH_KEY, SSH_PASSWORD, ASK_PASS, SSH_PASSWORD_FILE, SSH_PORT, SSH_ARGS, JUMP_HOST, HOST_KEY_CHECKING),
    *(MASTER_ADDR, MASTER_PORT, NCCL_INTERFACE, GLOO_INTERFACE, SHARED_DATA_PATH),
    *(TIMEOUT, GRACE_S, LEASE_S, ON_FAILURE, SILENCE_TIMEOUT_S, MAX_RESTARTS, DETACH),
    *(CHECK_ONLY, DRY_RUN, SKIP_CHECK, SHARE_HOSTS),
    *(CONFIG, OUTPUT, FOLD, SHOW_RANKS, VERBOSE, LOG_DIR, NODE_STATE_DIR),
)
"""Every setting, in the order of the help."""
