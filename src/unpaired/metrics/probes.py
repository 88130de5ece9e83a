"""Readers of translations: networks taught to tell the input of a translation from the translation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from unpaired.errors import DivergenceError
from unpaired.methods.base import Method, Route
from unpaired.metrics.steganography import Perturbation

LEARNING_RATE = 5e-4
"""Adam's rate at the start of teaching; it falls to zero along a cosine."""


class ReverseTranslator(nn.Module):
    """A method's own way back as a reader: a copy, so that teaching it leaves the method as it is."""

    def __init__(self, method: Method, route: Route) -> None:
        super().__init__()
        self.method = copy.deepcopy(method).requires_grad_(False)
        self.route = route
        for role in route.roles:
            self.method.get_submodule(role).requires_grad_(True)

    def forward(self, y: Tensor) -> Tensor:
        """(B, C, H, W) of the route's source -> the same of its target."""
        return self.method.translate(y, self.route.source, self.route.target)


class PadToStride(nn.Module):
    """A network for heights and widths that are multiples of `stride`, for any: padded, and cut again."""

    def __init__(self, net: nn.Module, stride: int) -> None:
        super().__init__()
        self.net, self.stride = net, stride

    def forward(self, y: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        height, width = y.shape[-2:]
        padded = functional.pad(y, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
        out: Tensor = self.net(padded)[..., :height, :width]
        return out


def train_probe(
    probe: nn.Module,
    translations: Tensor,
    inputs: Tensor,
    perturbation: Perturbation,
    steps: int,
    *,
    batch_size: int = 8,
    lr: float = LEARNING_RATE,
    seed: int = 0,
    on_step: Callable[[], None] = lambda: None,
) -> nn.Module:
    """A copy of `reader` that has learned to tell `inputs` from `translations` (N, C, H, W) after a passage, in eval.

    Mean squared error, Adam, `steps` of `batch` items drawn with `seed` (equal draws whatever the passage); `tell` is
    called after each. Its parameters that want a gradient learn; those of `reader` stay. Raises Diverged.
    """
    probe = copy.deepcopy(probe).train()
    parameters = [p for p in probe.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr, (0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: (1 + math.cos(math.pi * t / steps)) / 2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        indices = torch.randint(len(inputs), (min(batch_size, len(inputs)),), generator=generator)
        y, x = translations[indices.to(translations.device)], inputs[indices.to(inputs.device)]
        loss = functional.mse_loss(probe(perturbation(y)), x)
        if not torch.isfinite(loss):
            raise DivergenceError("the audit's reader of translations diverged; give another --seed")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        on_step()
    return probe.eval()
