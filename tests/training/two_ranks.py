"""Script that test_distributed.py starts with torchrun: trains on this rank's micro-batches and saves the state."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file

from unpaired.errors import WorkError
from unpaired.methods import METHODS
from unpaired.methods.base import Batch, Method, StepContext
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.runs.weights import collect_state
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop

SIZE, BATCH, STEPS = 16, 4, 3


def build_tiny_method(name: str) -> Method:
    """Build a tiny method in float64 with fixed weights; `name` is its name, followed by " last" for channels_last."""
    method_name, _, last = name.partition(" ")
    torch.manual_seed(1)
    net = ImageNetworkFactory(
        ImageNetworkSettings(width=2, discriminator_width=2, discriminator_layers=1, blocks=2), {"X": 1, "Y": 1}, SIZE
    )
    settings = {"pool_size": 0} if method_name == "cyclegan" else {}
    method = METHODS[method_name].cls(net, **settings).double()
    return method.to(memory_format=torch.channels_last) if last else method  # type: ignore[call-overload]


def make_micro_batch(step: int, index: int, count: int) -> Batch:
    """Return micro-batch `index` of `count` of a step's random batch."""
    generator = torch.Generator().manual_seed(100 + step)
    full_batch = {key: torch.rand(BATCH, 1, SIZE, SIZE, generator=generator).double() * 2 - 1 for key in "XY"}
    return {key: x.chunk(count)[index] for key, x in full_batch.items()}


def train(name: str, ranks: Distributed, count: int) -> Method:
    """Train STEPS steps on this rank's part of `count` micro-batches."""
    method = build_tiny_method(name)
    loop = TrainingLoop(method, ranks)
    own_count = count // ranks.world_size
    for step in range(STEPS):
        batches = [make_micro_batch(step, ranks.rank * own_count + i, count) for i in range(own_count)]
        loop.step(batches, StepContext(step, step / STEPS))
    return method


def check_shared_errors(ranks: Distributed) -> None:
    """Check that an error on one rank is raised on all ranks and reported only by the first."""

    def work(rank: int) -> None:
        if ranks.rank == rank:
            raise WorkError(f"of rank {rank}")

    for rank, run in ((0, ranks.run_on_first), (0, ranks.run_on_all), (1, ranks.run_on_all)):
        try:
            run(partial(work, rank))
        except WorkError as error:
            assert str(error) == f"of rank {rank}" and error.is_reported_elsewhere is not ranks.is_first
        else:
            raise AssertionError("nothing was raised")
    ranks.run_on_all(lambda: None)


def main(name: str, out: Path) -> None:
    """Train on the ranks that torchrun started."""
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    ranks = Distributed(fabric)
    method = train(name, ranks, 2)
    assert not ranks.any(False)
    assert ranks.any(ranks.rank == 1)
    assert ranks.broadcast(ranks.rank) == 0
    assert ranks.minimum(3e9 - ranks.rank) == 3e9 - 1
    check_shared_errors(ranks)
    if ranks.is_first:
        save_file({name: tensor.contiguous() for name, tensor in collect_state(method).items()}, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
