"""Tests that CUT and FastCUT equal reference implementations, with the contrastive loss of the authors' code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_straight_line import assert_equal_steps, twin_of
from tiny_methods import build
from torch import Tensor, nn

from benchmarks.straight_line import adam, freeze, squares
from unpaired.methods.base import StepContext

LOOKED_AT = (5, 8, 9, 10)
"""Layers of the tiny generator: the outputs of both downsamplings and of its two blocks."""


def extract_layers(generator: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the image and the outputs of the selected layers."""
    (net,) = generator.children()
    found = [x]
    for i, layer in enumerate(net.children()):
        x = layer(x)
        if i in LOOKED_AT:
            found.append(x.clone())
    return found


class StraightCUT:
    """Reference implementation of CUT, or of FastCUT if `fast`."""

    def __init__(self, nets: dict[str, nn.Module], weight: float, fast: bool, patches: int) -> None:
        self.G, self.D, self.H = nets["G"], nets["D"], nets["H"]
        self.weight, self.fast, self.patches, self.mirrored = weight, fast, patches, 0
        self.generator_optimizer, self.discriminator_optimizer = adam((self.G, self.H), 2e-4), adam((self.D,), 2e-4)

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        source = x if self.fast else torch.cat((x, y))
        mirrored = self.fast and bool(torch.rand(()) < 0.5)
        self.mirrored += mirrored
        made = self.G(source.flip(3) if mirrored else source)
        fake = made[: len(x)]

        freeze((self.D,), False)
        self.discriminator_optimizer.zero_grad()
        discriminator_loss = squares(self.D(y), True) + squares(self.D(fake.detach()), False)
        (0.5 * discriminator_loss).backward()
        self.discriminator_optimizer.step()

        freeze((self.D,), True)
        self.generator_optimizer.zero_grad()
        generator_loss = squares(self.D(fake), True)
        contrast = torch.zeros((), dtype=x.dtype)
        for layer, (key, query) in enumerate(
            zip(extract_layers(self.G, source), extract_layers(self.G, made), strict=True)
        ):
            contrast = contrast + self.contrast(layer, key, query.flip(3) if mirrored else query)
        contrast = contrast / (len(LOOKED_AT) + 1)
        (generator_loss + self.weight * contrast).backward()
        self.generator_optimizer.step()
        return {
            "discriminator.adversarial": discriminator_loss,
            "generator.adversarial": generator_loss,
            "generator.nce": contrast,
        }

    def contrast(self, layer: int, key: Tensor, query: Tensor) -> Tensor:
        """Compute the loss from the logit of the positive key and those of the image's other keys."""
        head = next(iter(self.H.children()))[layer]  # type: ignore[index]
        _, _, h, w = key.shape
        places = torch.randperm(h * w)[: self.patches]
        losses = []
        for pair in zip(key, query, strict=True):
            k, q = (F.normalize(head(torch.stack([c[:, p // w, p % w] for p in places.tolist()]))) for c in pair)
            k = k.detach()
            others = (q @ k.T).masked_fill(torch.eye(len(k), dtype=torch.bool), -10.0)
            logits = torch.cat(((q * k).sum(1, keepdim=True), others), 1) / 0.07
            losses.append(F.cross_entropy(logits, torch.zeros(len(k), dtype=torch.int64)))
        return torch.stack(losses).mean()


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize(("name", "weight"), [("cut", 1.0), ("fastcut", 10.0)])
def test_steps_equal_a_reference_implementation(name: str, weight: float, items: int) -> None:
    method = build(name, num_patches=20)
    twin, nets = twin_of(method)
    straight = StraightCUT(nets, weight, name == "fastcut", 20)
    assert_equal_steps(method, twin, straight, 6, items)
    assert straight.mirrored == 0 if name == "cut" else 0 < straight.mirrored < 6


@pytest.mark.parametrize(("name", "weight"), [("cut", 1.0), ("fastcut", 10.0)])
def test_contrastive_weight_can_increase_with_the_budget(name: str, weight: float) -> None:
    method, steady = build(name, nce_warmup=0.4), build(name)
    for budget_fraction, expected_fraction in ((0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)):
        assert method.loss_weight("generator", "nce", StepContext(7, budget_fraction)) == pytest.approx(
            expected_fraction * weight
        )
        assert steady.loss_weight("generator", "nce", StepContext(7, budget_fraction)) == weight
