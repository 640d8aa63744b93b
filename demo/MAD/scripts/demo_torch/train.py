# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest real distributed training with PyTorch: DistributedDataParallel over gloo, on CPUs."""

from __future__ import annotations

import os
import sys
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

STEPS = 50
SAMPLES = 32
FEATURES = 4


def say(line: str) -> None:
    """Print a line in one piece: several processes share the output, and unbuffered print() writes the end apart."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def check_world() -> None:
    """Compare the world with what the launcher said.

    Raises:
        RuntimeError: It is another one, for example because each node trained alone.
    """
    if "NNODES" not in os.environ or "NPROC_PER_NODE" not in os.environ:
        return
    expected = int(os.environ["NNODES"]) * int(os.environ["NPROC_PER_NODE"])
    if dist.get_world_size() != expected:
        message = f"world size {dist.get_world_size()}, expected {expected}"
        raise RuntimeError(message)


def train() -> tuple[torch.nn.Module, list[float]]:
    """Return the trained model and the mean loss over all ranks before each step."""
    torch.manual_seed(0)
    truth = torch.randn(FEATURES, 1)
    model = DistributedDataParallel(torch.nn.Linear(FEATURES, 1, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(1 + dist.get_rank())
    inputs = torch.randn(SAMPLES, FEATURES)
    losses = []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs), inputs @ truth)
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        dist.all_reduce(mean)
        losses.append(mean.item() / dist.get_world_size())
        if step == 1 or step % 10 == 0:
            me = f"rank {dist.get_rank()} of {dist.get_world_size()}"
            say(f"{me}: step {step}/{STEPS} loss {losses[-1]:.6f}")
    return model, losses


def verify(model: torch.nn.Module, losses: list[float]) -> None:
    """Check the result.

    Raises:
        RuntimeError: The ranks differ, or nothing was learned.
    """
    mine = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(everyone, mine)
    if not all(torch.equal(mine, other) for other in everyone):
        message = "the ranks ended with different parameters"
        raise RuntimeError(message)
    if not losses[-1] < losses[0] * 0.05:
        message = f"the loss did not fall: {losses[0]:.6f} -> {losses[-1]:.6f}"
        raise RuntimeError(message)
    say(f"rank {dist.get_rank()} of {dist.get_world_size()}: parameters equal on all ranks")


def main() -> int:
    """Train, check, and say how fast it was on the last rank, as Megatron does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    check_world()
    start_s = time.monotonic()
    model, losses = train()
    duration_s = time.monotonic() - start_s
    verify(model, losses)
    if dist.get_rank() == dist.get_world_size() - 1:
        say(f"world size: {dist.get_world_size()}")
        say(f"loss: {losses[0]:.6f} -> {losses[-1]:.6f}")
        say(f"performance: {STEPS * SAMPLES * dist.get_world_size() / duration_s:.1f} samples_per_second")
    # A rank that leaves while others still talk, or with the wrapper's threads alive, may die in PyTorch's destructors.
    del model
    dist.barrier()
    dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
