"""Probes of translations: networks that are trained to reconstruct the input of a translator from its output."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from unpaired.errors import DivergenceError
from unpaired.methods.base import Method
from unpaired.metrics.steganography import Perturbation
from unpaired.routes import Route

LEARNING_RATE = 5e-4
"""Initial learning rate of Adam; a cosine schedule decays it to 0."""


class ReverseTranslator(nn.Module):
    """Probe that starts as a copy of a method's own reverse route; training it does not change the method."""

    def __init__(self, method: Method, route: Route) -> None:
        super().__init__()
        self.method = copy.deepcopy(method).requires_grad_(False)
        self.route = route
        for role in route.roles:
            self.method.get_submodule(role).requires_grad_(True)

    def forward(self, y: Tensor) -> Tensor:
        """Translate (B, C, H, W) from the route's source to its target."""
        return self.method.translate(y, self.route.source, self.route.target)


class PadToStride(nn.Module):
    """Wrapper that pads inputs to a multiple of the network's `stride` and crops the output to the input's size."""

    def __init__(self, net: nn.Module, stride: int) -> None:
        super().__init__()
        self.net, self.stride = net, stride

    def forward(self, y: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W) for any H and W."""
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
    """Return a copy of `probe`, trained to reconstruct `inputs` from perturbed `translations`, in eval mode.

    `translations` and `inputs` are (N, C, H, W) in [-1, 1]. The loss is the mean squared error; the optimizer is Adam
    for `steps` steps of `batch_size` items, which depend on `seed` only, not on the perturbation. `on_step` is called
    after every step. Parameters that require no gradient stay fixed; `probe` itself does not change.

    Raises DivergenceError if the loss becomes infinite or NaN.
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
            raise DivergenceError("the loss of the audit's probe is not finite; use another --seed")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        on_step()
    return probe.eval()
