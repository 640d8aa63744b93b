# Copyright (c) 2026, the madlaunch contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value must be to reach madengine unharmed; each refusal names the value and the way out.

Private to the collection. Pure. The rules follow from how madengine uses the values, see docs/madengine.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ._command_common import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._command_common import Host, Run

# madengine's runner string torchrun, one process group per node, serves all of these.
TORCHRUN_RUNNERS = ("torchrun", "megatron-lm", "torchtitan", "deepspeed")
# These start their processes themselves, on each node, from the standard variables.
OWN_RUNNERS = ("primus", "vllm", "sglang")
RUNNERS = (*TORCHRUN_RUNNERS, *OWN_RUNNERS)
REFUSED_RUNNERS = {
    "mpirun": "it starts the processes of all nodes itself, from one node, over its own connections",
    "slurm_multi": "it runs the model's script on the host, outside any container, and wants Slurm to place it",
    "sglang-disagg": "it wants the addresses of all nodes and a different role for each",
    "slurm": "it is a way to deploy, not a runner",
    "k8s": "it is a way to deploy, not a runner",
    "kubernetes": "it is a way to deploy, not a runner",
}
# Set from flags on every rank; a second value would part the ranks.
RESERVED_ENV = {
    "MASTER_ADDR": "--master-addr",
    "MASTER_PORT": "--master-port",
    "NNODES": "--nodes",
    "NODE_RANK": "node_rank in the inventory",
    "NPROC_PER_NODE": "--nproc-per-node",
    "NCCL_SOCKET_IFNAME": "--nccl-interface",
    "GLOO_SOCKET_IFNAME": "--gloo-interface",
    "MAD_MULTI_NODE_RUNNER": "--runner",
    "MAD_RUNTIME_NGPUS": "--nproc-per-node",
    "MAD_COLLECT_METRICS": "nothing: every rank is asked for its results",
}
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# These reach a shell unquoted in the container (model scripts eval the runner string), so nothing a shell acts on.
MASTER_ADDR = re.compile(r"[A-Za-z0-9:][A-Za-z0-9._:%-]*\Z")
INTERFACE = re.compile(r"\^?=?[A-Za-z0-9_][A-Za-z0-9_.:,@+-]*\Z")
# madengine puts the path unquoted into the `-v host:container` of its docker command line.
SHARED_PATH = re.compile(r"/[^\s\x00-\x1f\x7f:'\"`$\\;&|<>()*?\[\]{}!#~]*\Z")
# So does v1 with its working directory; v2 quotes that for the shell, but docker still splits it at a colon.
WORK_DIR = re.compile(r"(?:~/)?[^\s\x00-\x1f\x7f:'\"`$\\;&|<>()*?\[\]{}!#~]*\Z")
QUOTED_WORK_DIR = re.compile(r"[^\x00:]*\Z")


def check_run(run: Run) -> None:
    """Check what all ranks share; raises `CommandError` for the first thing that is wrong."""
    _check_runner(run.runner)
    if not run.model or run.model.startswith("-") or not is_text(run.model):
        hint = "Give the tag of a model that `madengine discover` lists; it does not begin with a dash."
        raise CommandError("model", f"model {run.model!r} is no tag.", hint)
    if not MASTER_ADDR.match(run.master_addr):
        hint = "Give a name, an IPv4 address or an IPv6 address without brackets."
        raise CommandError("master_addr", f"master_addr {run.master_addr!r} is no host name or address.", hint)
    if run.timeout_s < 0:
        hint = "Give a number of seconds, 0 for no limit."
        raise CommandError("timeout_s", f"timeout_s is {run.timeout_s}.", hint)
    for word in run.additional_args:
        if not is_text(word):
            hint = "Use UTF-8 text without NUL."
            raise CommandError("additional_args", f"additional_args has a word that is no text: {word!r}.", hint)
    check_env("container_env", run.container_env)


def _check_runner(runner: str) -> None:
    if runner in RUNNERS:
        return
    known = "Use one of: " + ", ".join(RUNNERS) + "."
    if runner in REFUSED_RUNNERS:
        message = f"runner {runner!r} cannot be started node by node: {REFUSED_RUNNERS[runner]}."
        raise CommandError("runner", message, known)
    raise CommandError("runner", f"runner {runner!r} is not known.", known)


def check_env(option: str, env: Mapping[str, Any]) -> None:
    """Check variables for the container. Values may be secret, so only names are ever repeated."""
    for name, value in env.items():
        if not ENV_NAME.match(name):
            hint = "Names are letters, digits and _, not beginning with a digit."
            raise CommandError(option, f"{option} has a name that is no variable name: {name!r}.", hint)
        if name in RESERVED_ENV:
            message = f"{option} sets {name}, which the launch sets on every rank."
            raise CommandError(option, message, f"Remove it and use {RESERVED_ENV[name]}.")
        if not is_text(str(value)):
            hint = "Use UTF-8 text without NUL."
            raise CommandError(option, f"the value of {name} in {option} is no text.", hint)


def check_v1_env(option: str, env: Mapping[str, Any]) -> None:
    """Check what v1 alone cannot pass on: it writes '...' around each value and escapes nothing."""
    for name, value in env.items():
        if "'" in str(value):
            message = f"the value of {name} in {option} has a single quote, which madengine v1 cannot pass on."
            hint = "Remove the quote, put the value in a file on the nodes, or use madengine v2."
            raise CommandError(option, message, hint)


def check_host(host: Host) -> None:
    """Check what one host sets for itself; raises `CommandError` for the first thing that is wrong."""
    for option in ("nccl_interface", "gloo_interface"):
        value = getattr(host, option)
        if value and not INTERFACE.match(value):
            message = f"{option} {value!r} of {host.name} is no interface name."
            hint = "`ip -br link` on the host lists them; 'auto' takes that of the route to the master."
            raise CommandError(option, message, hint)
    if host.shared_data_path and not SHARED_PATH.match(host.shared_data_path):
        message = f"shared_data_path {host.shared_data_path!r} of {host.name} cannot be passed on by madengine."
        hint = "Give an absolute path without white space, colon, quotes and what else a shell acts on; '' for none."
        raise CommandError("shared_data_path", message, hint)
    if not host.madengine_path or host.madengine_path.startswith("-") or not is_text(host.madengine_path):
        message = f"madengine_path {host.madengine_path!r} of {host.name} is no program."
        raise CommandError("madengine_path", message, "Give a name in PATH or a path.")
    if host.nproc_per_node < 0:
        message = f"nproc_per_node of {host.name} is {host.nproc_per_node}."
        raise CommandError("nproc_per_node", message, "Give a number of processes, 0 to count the GPUs.")


def check_work_dir(option: str, path: str, host: str, *, quoted: bool) -> None:
    """Check the path below which madengine works, of which it makes a mount of the container.

    Args:
        option: which setting names it.
        path: the value; '' is the state directory of the login.
        host: whose setting it is.
        quoted: whether this version of madengine quotes it in its docker command line.
    """
    if not (QUOTED_WORK_DIR if quoted else WORK_DIR).match(path):
        version = "" if quoted else " v1"
        message = f"{option} {path!r} of {host} cannot be mounted by madengine{version}."
        ways = "a path without colon" + ("." if quoted else ", white space, quotes and what else a shell acts on.")
        raise CommandError(option, message, f"Give {ways}")


def is_text(value: str) -> bool:
    """Say whether a value can be a program's argument: no NUL, and nothing that UTF-8 cannot write."""
    try:
        return b"\0" not in value.encode("utf-8")
    except UnicodeEncodeError:
        return False
