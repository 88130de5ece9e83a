"""Run by torchrun in test_ranks.py: a few steps on this rank's shards; the first rank saves the parameters."""

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


def tiny(words: str) -> Method:
    """A tiny method in float64, the same on every call; `words` are its name, and "last" for channels_last."""
    name, _, last = words.partition(" ")
    torch.manual_seed(1)
    net = ImageNetworkFactory(
        ImageNetworkSettings(width=2, discriminator_width=2, discriminator_layers=1, blocks=2), {"X": 1, "Y": 1}, SIZE
    )
    settings = {"pool_size": 0} if name == "cyclegan" else {}
    method = METHODS[name].cls(net, **settings).double()
    return method.to(memory_format=torch.channels_last) if last else method  # type: ignore[call-overload]


def shard(step: int, index: int, count: int) -> Batch:
    """Shard `index` of `count` of a step's batch."""
    generator = torch.Generator().manual_seed(100 + step)
    whole = {key: torch.rand(BATCH, 1, SIZE, SIZE, generator=generator).double() * 2 - 1 for key in "XY"}
    return {key: x.chunk(count)[index] for key, x in whole.items()}


def train(name: str, ranks: Distributed, shards: int) -> Method:
    """STEPS steps in which this rank plays its part of `shards` shards."""
    method = tiny(name)
    loop = TrainingLoop(method, ranks)
    each = shards // ranks.world_size
    for step in range(STEPS):
        batches = [shard(step, ranks.rank * each + i, shards) for i in range(each)]
        loop.step(batches, StepContext(step, step / STEPS))
    return method


def fails_once(ranks: Distributed) -> None:
    """What fails on one rank fails on all with its message, and the first alone says it."""

    def work(rank: int) -> None:
        if ranks.rank == rank:
            raise WorkError(f"of rank {rank}")

    for rank, ask in ((0, ranks.run_on_first), (0, ranks.run_on_all), (1, ranks.run_on_all)):
        try:
            ask(partial(work, rank))
        except WorkError as error:
            assert str(error) == f"of rank {rank}" and error.is_reported_elsewhere is not ranks.is_first
        else:
            raise AssertionError("nothing was raised")
    ranks.run_on_all(lambda: None)


def main(name: str, out: Path) -> None:
    """Train on all ranks that torchrun started."""
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    ranks = Distributed(fabric)
    method = train(name, ranks, 2)
    assert not ranks.any(False)
    assert ranks.any(ranks.rank == 1)
    assert ranks.broadcast(ranks.rank) == 0
    fails_once(ranks)
    if ranks.is_first:
        save_file({name: tensor.contiguous() for name, tensor in collect_state(method).items()}, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
