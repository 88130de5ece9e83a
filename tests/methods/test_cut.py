"""CUT and FastCUT through the loop equal the same methods written straight, the contrast as its authors write it."""

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
"""In the plain generator: the ends of both halvings, and the two blocks that there are."""


def seen(generator: nn.Module, x: Tensor) -> list[Tensor]:
    """The image and what the layers looked at give."""
    (net,) = generator.children()
    found = [x]
    for i, layer in enumerate(net.children()):
        x = layer(x)
        if i in LOOKED_AT:
            found.append(x.clone())
    return found


class StraightCUT:
    """`fast`: the second of the two."""

    def __init__(self, nets: dict[str, nn.Module], weight: float, fast: bool, patches: int) -> None:
        self.G, self.D, self.H = nets["G"], nets["D"], nets["H"]
        self.weight, self.fast, self.patches, self.mirrored = weight, fast, patches, 0
        self.generator_optimizer, self.critic_optimizer = adam((self.G, self.H), 2e-4), adam((self.D,), 2e-4)

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        source = x if self.fast else torch.cat((x, y))
        mirrored = self.fast and bool(torch.rand(()) < 0.5)
        self.mirrored += mirrored
        made = self.G(source.flip(3) if mirrored else source)
        fake = made[: len(x)]

        freeze((self.D,), False)
        self.critic_optimizer.zero_grad()
        spot = squares(self.D(y), True) + squares(self.D(fake.detach()), False)
        (0.5 * spot).backward()
        self.critic_optimizer.step()

        freeze((self.D,), True)
        self.generator_optimizer.zero_grad()
        fool = squares(self.D(fake), True)
        contrast = torch.zeros((), dtype=x.dtype)
        for layer, (key, query) in enumerate(zip(seen(self.G, source), seen(self.G, made), strict=True)):
            contrast = contrast + self.contrast(layer, key, query.flip(3) if mirrored else query)
        contrast = contrast / (len(LOOKED_AT) + 1)
        (fool + self.weight * contrast).backward()
        self.generator_optimizer.step()
        return {"discriminator.adversarial": spot, "generator.adversarial": fool, "generator.nce": contrast}

    def contrast(self, layer: int, key: Tensor, query: Tensor) -> Tensor:
        """A logit of the own key, then those of all keys of the image with the own one struck out."""
        head = next(iter(self.H.children()))[layer]  # type: ignore[index]
        _, _, h, w = key.shape
        places = torch.randperm(h * w)[: self.patches]
        terms = []
        for pair in zip(key, query, strict=True):
            k, q = (F.normalize(head(torch.stack([c[:, p // w, p % w] for p in places.tolist()]))) for c in pair)
            k = k.detach()
            others = (q @ k.T).masked_fill(torch.eye(len(k), dtype=torch.bool), -10.0)
            logits = torch.cat(((q * k).sum(1, keepdim=True), others), 1) / 0.07
            terms.append(F.cross_entropy(logits, torch.zeros(len(k), dtype=torch.int64)))
        return torch.stack(terms).mean()


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
    for share, part in ((0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)):
        assert method.loss_weight("generator", "nce", StepContext(7, share)) == pytest.approx(part * weight)
        assert steady.loss_weight("generator", "nce", StepContext(7, share)) == weight
