"""Small float64 versions of the methods, their batches, and the loop that moves them."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric

from unpaired.methods import METHODS
from unpaired.methods.game import Batch, Method
from unpaired.networks.images import ImageNetworks
from unpaired.settings import NetworkSettings
from unpaired.training.loop import Loop
from unpaired.training.ranks import Ranks

NETWORKS: dict[str, Any] = {"width": 4, "blocks": 2, "critic_width": 4, "critic_layers": 1}
LIGHT: dict[str, Any] = {**NETWORKS, "generator": "light", "critic": "light", "norm": "group"}


def build(name: str, networks: dict[str, Any] | None = None, size: int = 16, seed: int = 0, **settings: Any) -> Method:
    torch.manual_seed(seed)
    net = ImageNetworks(NetworkSettings.model_validate(networks or NETWORKS), {"X": 3, "Y": 3}, size)
    method = METHODS[name].cls(net, **settings).double()
    method.stride = net.stride
    return method


def random_batches(steps: int, size: int = 16, items: int = 1) -> list[Batch]:
    draws = torch.Generator().manual_seed(1)
    shape = (2, items, 3, size, size)
    pairs = [torch.rand(shape, generator=draws, dtype=torch.float64) * 2 - 1 for _ in range(steps)]
    return [{"X": x, "Y": y} for x, y in pairs]


def loop_of(method: Method) -> Loop:
    return Loop(method, Ranks(Fabric(accelerator="cpu", devices=1)))
