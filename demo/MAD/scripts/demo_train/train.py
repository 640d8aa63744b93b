# SPDX-License-Identifier: GPL-3.0-or-later
"""Data-parallel training of a linear model in plain Python: every rank has its own data, all share one set of weights.

In each step every rank sends its gradient to rank 0, which adds them up in the order of ranks and sends the sum back.
At the end all ranks prove to each other that they hold the same weights, and that the loss fell.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import random
import socket
import struct
import sys
import time
from dataclasses import dataclass

FEATURES = 8
SAMPLES_PER_RANK = 64
LEARNING_RATE = 0.1
GOOD_LOSS_RATIO = 0.5
JOIN_S = 60.0
RETRY_S = 0.1


def say(line: str) -> None:
    """Print a line in one piece: several processes share the output, and unbuffered print() writes the end apart."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Place:
    """Where this process stands: its rank of all, and where rank 0 listens."""

    rank: int
    world_size: int
    address: str
    port: int


def place() -> Place:
    """Read the place from the variables that torchrun sets."""
    port = int(os.environ["MASTER_PORT"])
    # PyTorch's own torchrun listens on the master port itself while the training runs.
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        port += 1
    return Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), os.environ["MASTER_ADDR"], port)


def check_interfaces() -> None:
    """Refuse an interface this host does not have, as gloo does.

    Raises:
        RuntimeError: It is not there.
    """
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        wanted = os.environ.get(name, "")
        if wanted and wanted not in [interface for _, interface in socket.if_nameindex()]:
            message = f"Unable to find address for: {wanted}"
            raise RuntimeError(message)


class Peers:
    """Connections between rank 0 and all others.

    Args:
        here: This process's place.

    Raises:
        RuntimeError: Not all ranks came together in time.
    """

    def __init__(self, here: Place) -> None:
        self._here = here
        self._links = dict(sorted((self._accept() if here.rank == 0 else {0: self._connect()}).items()))

    def add_up(self, numbers: list[float]) -> list[float]:
        """Return the sum of the numbers of all ranks, the same bits on every rank."""
        form = f"!{len(numbers)}d"
        if self._here.rank != 0:
            self._links[0].sendall(struct.pack(form, *numbers))
            return list(struct.unpack(form, self._receive(self._links[0], struct.calcsize(form))))
        total = list(numbers)
        for link in self._links.values():
            more = struct.unpack(form, self._receive(link, struct.calcsize(form)))
            total = [a + b for a, b in zip(total, more)]
        for link in self._links.values():
            link.sendall(struct.pack(form, *total))
        return total

    def all_equal(self, digest: bytes) -> bool:
        """Whether every rank has the same digest; every rank gets the answer."""
        if self._here.rank != 0:
            self._links[0].sendall(digest)
            return self._receive(self._links[0], 1) == b"\1"
        others = [self._receive(link, len(digest)) for link in self._links.values()]
        answer = b"\1" if all(other == digest for other in others) else b"\0"
        for link in self._links.values():
            link.sendall(answer)
        return answer == b"\1"

    def _accept(self) -> dict[int, socket.socket]:
        info = socket.getaddrinfo(self._here.address, self._here.port, type=socket.SOCK_STREAM)[0]
        links: dict[int, socket.socket] = {}
        with socket.create_server(info[4][:2], family=info[0], backlog=self._here.world_size) as server:
            server.settimeout(JOIN_S)
            while len(links) < self._here.world_size - 1:
                try:
                    link, _ = server.accept()
                except socket.timeout:
                    message = f"{len(links) + 1} of {self._here.world_size} ranks came within {JOIN_S:.0f} s"
                    raise RuntimeError(message) from None
                rank = struct.unpack("!i", self._receive(link, 4))[0]
                links[rank] = link
        return links

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + JOIN_S
        while True:
            try:
                link = socket.create_connection((self._here.address, self._here.port), timeout=JOIN_S)
            except OSError as error:
                if time.monotonic() > deadline:
                    message = f"no rank 0 at {self._here.address}:{self._here.port} within {JOIN_S:.0f} s: {error}"
                    raise RuntimeError(message) from error
                time.sleep(RETRY_S)
            else:
                link.settimeout(None)
                link.sendall(struct.pack("!i", self._here.rank))
                return link

    @staticmethod
    def _receive(link: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = link.recv(size - len(data))
            if not part:
                message = "a rank left before the end"
                raise RuntimeError(message)
            data += part
        return data


class Shard:
    """The data of one rank, made from its number."""

    def __init__(self, rank: int) -> None:
        truth = random.Random(0)
        weights = [truth.uniform(-1, 1) for _ in range(FEATURES)]
        source = random.Random(1000 + rank)
        self._inputs = [[source.uniform(-1, 1) for _ in range(FEATURES)] for _ in range(SAMPLES_PER_RANK)]
        self._targets = [math.fsum(w * x for w, x in zip(weights, row)) for row in self._inputs]

    def gradient_and_loss(self, weights: list[float]) -> list[float]:
        """Return sums over the samples: a number per weight, then the squared error, then the number of samples."""
        sums = [0.0] * FEATURES + [0.0, float(SAMPLES_PER_RANK)]
        for row, target in zip(self._inputs, self._targets):
            error = math.fsum(w * x for w, x in zip(weights, row)) - target
            for i, x in enumerate(row):
                sums[i] += 2 * error * x
            sums[FEATURES] += error * error
        return sums


def train(here: Place, peers: Peers, options: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Return the weights and the loss before each step.

    Raises:
        RuntimeError: The samples of a rank were missing from a sum.
    """
    shard, weights, losses = Shard(here.rank), [0.0] * FEATURES, []
    expected = SAMPLES_PER_RANK * here.world_size
    for step in range(1, options.steps + 1):
        *sums, samples = peers.add_up(shard.gradient_and_loss(weights))
        if samples != expected:
            message = f"step {step} saw {samples:.0f} samples of {expected}"
            raise RuntimeError(message)
        weights = [w - LEARNING_RATE * g / samples for w, g in zip(weights, sums)]
        losses.append(sums[FEATURES] / samples)
        if step == 1 or step % options.report_every == 0:
            me = f"rank {here.rank} of {here.world_size}"
            say(f"{me}: step {step}/{options.steps} loss {losses[-1]:.6f}")
        time.sleep(options.step_sleep)
    return weights, losses


def verify(here: Place, peers: Peers, weights: list[float], losses: list[float]) -> None:
    """Check the result.

    Raises:
        RuntimeError: The ranks differ, or nothing was learned.
    """
    digest = hashlib.sha256(struct.pack(f"!{FEATURES}d", *weights)).digest()
    if not peers.all_equal(digest):
        message = "the ranks ended with different parameters"
        raise RuntimeError(message)
    if not losses[-1] < losses[0] * GOOD_LOSS_RATIO:
        message = f"the loss did not fall: {losses[0]:.6f} -> {losses[-1]:.6f}"
        raise RuntimeError(message)
    me = f"rank {here.rank} of {here.world_size}"
    say(f"{me}: parameters equal on all ranks, sha256 {digest.hex()[:16]}")


def main() -> int:
    """Train, check, and say how fast it was on the last rank, as Megatron does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=int(os.environ.get("DEMO_STEPS", "100")))
    parser.add_argument("--step-sleep", type=float, default=float(os.environ.get("DEMO_STEP_SLEEP_S", "0")))
    parser.add_argument("--report-every", type=int, default=20)
    options = parser.parse_args()
    check_interfaces()
    here = place()
    peers = Peers(here)
    start_s = time.monotonic()
    weights, losses = train(here, peers, options)
    duration_s = time.monotonic() - start_s
    verify(here, peers, weights, losses)
    if here.rank == here.world_size - 1:
        speed = options.steps * SAMPLES_PER_RANK * here.world_size / duration_s
        say(f"world size: {here.world_size}")
        say(f"loss: {losses[0]:.6f} -> {losses[-1]:.6f}")
        say(f"performance: {speed:.1f} samples_per_second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
