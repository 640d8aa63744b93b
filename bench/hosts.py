# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a benchmark: one real SSH server each, on loopback, all at one port, with the same small program."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.loopback import NODE_VARIABLE, LoopbackCluster
from tests.cluster.options import NodeOptions
from tests.cluster.processes import all_pids, end, environment, start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROGRAM = Path(__file__).with_name("madengine.sh")


@dataclass(frozen=True)
class Hosts:
    """Hosts that can be logged into by key.

    Attributes:
        cluster: The servers.
        program: What every tool starts; all hosts are this machine, so it lies at one place.
        ssh_options: Further options of ssh for all tools, as NAME=VALUE.
    """

    cluster: LoopbackCluster
    program: Path
    ssh_options: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.cluster.nodes)

    @property
    def addresses(self) -> list[str]:
        """Their addresses, in the order of the ranks."""
        return [node.address for node in self.cluster.nodes]

    @property
    def port(self) -> int:
        """The port of all SSH servers."""
        return self.cluster.nodes[0].port

    @property
    def state_dir(self) -> Path:
        """Where the launcher keeps the records of its runs."""
        return self.cluster.base / "state"

    @property
    def shared_ssh_words(self) -> list[str]:
        """Options of ssh that every tool is given, the launcher too: no configuration of the user is read."""
        options = [word for option in self.ssh_options for word in ("-o", option)]
        return ["-F", "none", *self.cluster.access.ssh_args().split(), *options]

    @property
    def ssh_words(self) -> list[str]:
        """The same, with what the launcher adds by itself."""
        added = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]
        return [*self.shared_ssh_words, *added, "-i", str(self.cluster.access.key), "-p", str(self.port)]

    def command(self, tag: str) -> list[str]:
        """The words that a tool runs on each host; the launcher makes them of the tag itself."""
        return [str(self.program), "run", "--tags", tag]

    def supervisors(self) -> list[int]:
        """The processes that watch over a rank, `python3 ... <rank directory>/supervisor`."""
        return [pid for pid in all_pids() if self._is_supervisor(pid)]

    def _is_supervisor(self, pid: int) -> bool:
        try:
            last = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").rpartition("\0")[2]
        except OSError:
            return False
        return last.startswith(f"{self.cluster.base}/") and last.endswith("/supervisor")

    def end_waiting(self) -> None:
        """End the ranks that still sleep; a tool that only hangs up leaves them behind."""
        for pid in all_pids():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "sleep\n" and self._is_here(pid):
                    end(pid, start_ticks(pid))

    def _is_here(self, pid: int) -> bool:
        return environment(pid).get(NODE_VARIABLE, "").startswith(f"{self.cluster.base}/")


@contextlib.contextmanager
def started_hosts(count: int, ssh_options: Sequence[str] = ()) -> Iterator[Hosts]:
    """Start so many hosts; they end with the block."""
    options = {
        rank: NodeOptions(gpus=0, madengine="", mad=False, env={"BENCH_RANK": str(rank)}) for rank in range(count)
    }
    with LoopbackCluster(count, overrides=options, same_port=True) as cluster:
        program = cluster.base / "madengine"
        shutil.copyfile(_PROGRAM, program)
        program.chmod(0o755)
        for node in cluster.nodes:
            (node.home / "MAD" / "scripts").mkdir(parents=True)
            (node.home / "MAD" / "models.json").write_text("[]\n")
        yield Hosts(cluster, program, tuple(ssh_options))
