"""CycleGAN, GAN and UNIT as they are usually written, as the measure of the game's grammar and of its loop.

Freeze, detach, zero_grad and own optimizer calls; nothing of the package but the networks, which are given. The random
draws are made in the order in which the methods make them, so that both can start from one seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Terms = dict[str, Tensor]


class Pool:
    """Memory of fakes as a list: filled first; then each fake is, half the time, swapped for a stored one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fakes: Tensor) -> Tensor:
        """`fakes` (B, C, H, W) -> the same shape, some of them past ones."""
        if self.size == 0:
            return fakes
        shown = []
        for fake in fakes.split(1):
            if len(self.images) < self.size:
                self.images.append(fake.clone())
                shown.append(fake)
            elif torch.rand(()) < 0.5:
                slot = int(torch.randint(self.size, ()))
                shown.append(self.images[slot])
                self.images[slot] = fake.clone()
            else:
                shown.append(fake)
        return torch.cat(shown)


def adam(nets: Iterable[nn.Module], rate: float) -> torch.optim.Adam:
    """Adam over the nets' parameters, shared ones once."""
    unique = {id(p): p for net in nets for p in net.parameters()}
    return torch.optim.Adam(unique.values(), lr=rate, betas=(0.5, 0.999))


def freeze(nets: Iterable[nn.Module], frozen: bool) -> None:
    """Whether the nets' parameters get gradients."""
    for net in nets:
        for parameter in net.parameters():
            parameter.requires_grad_(not frozen)


def squares(scores: Tensor, real: bool) -> Tensor:
    """Least-squares loss of scores that should say real or fake."""
    return F.mse_loss(scores, torch.ones_like(scores) if real else torch.zeros_like(scores))


def entropy(scores: Tensor, real: bool) -> Tensor:
    """Cross-entropy of scores that should say real or fake."""
    return F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores) if real else torch.zeros_like(scores))


class StraightCycleGAN:
    """Both ways, least squares; `nets` has G, F, D_x and D_y. With `identity` 0 its passes are not made."""

    def __init__(
        self, nets: Mapping[str, nn.Module], rate: float = 2e-4, memory: int = 50, identity: float = 5.0
    ) -> None:
        self.identity = identity
        self.G, self.F, self.D_x, self.D_y = nets["G"], nets["F"], nets["D_x"], nets["D_y"]
        self.generator_optimizer = adam((self.G, self.F), rate)
        self.critic_optimizer = adam((self.D_x, self.D_y), rate)
        self.pool_x, self.pool_y = Pool(memory), Pool(memory)

    def step(self, x: Tensor, y: Tensor) -> Terms:
        """One step on `x` and `y` (B, C, H, W); the unweighted terms."""
        fake_y = self.G(x)
        back_x = self.F(fake_y)
        fake_x = self.F(y)
        back_y = self.G(fake_x)
        freeze((self.D_x, self.D_y), True)
        self.generator_optimizer.zero_grad(set_to_none=True)
        adversarial = squares(self.D_y(fake_y), True) + squares(self.D_x(fake_x), True)
        cycle = F.l1_loss(back_x, x) + F.l1_loss(back_y, y)
        loss = adversarial + 10 * cycle
        terms = {"generators.adversarial": adversarial.detach(), "generators.cycle": cycle.detach()}
        if self.identity:
            identity = F.l1_loss(self.G(y), y) + F.l1_loss(self.F(x), x)
            loss = loss + self.identity * identity
            terms["generators.identity"] = identity.detach()
        loss.backward()
        self.generator_optimizer.step()

        freeze((self.D_x, self.D_y), False)
        self.critic_optimizer.zero_grad(set_to_none=True)
        past_y = self.pool_y.query(fake_y.detach())
        past_x = self.pool_x.query(fake_x.detach())
        critics_y = squares(self.D_y(y), True) + squares(self.D_y(past_y), False)
        critics_x = squares(self.D_x(x), True) + squares(self.D_x(past_x), False)
        (0.5 * critics_y).backward()
        (0.5 * critics_x).backward()
        self.critic_optimizer.step()
        return {**terms, "discriminators.adversarial": (critics_x + critics_y).detach()}


class StraightGAN:
    """One way, least squares; `nets` has G and D."""

    def __init__(self, nets: Mapping[str, nn.Module], rate: float = 2e-4, memory: int = 50) -> None:
        self.G, self.D = nets["G"], nets["D"]
        self.generator_optimizer, self.critic_optimizer = adam((self.G,), rate), adam((self.D,), rate)
        self.pool = Pool(memory)

    def step(self, x: Tensor, y: Tensor) -> Terms:
        """One step on `x` and `y` (B, C, H, W); the unweighted terms."""
        fake = self.G(x)
        freeze((self.D,), True)
        self.generator_optimizer.zero_grad(set_to_none=True)
        fool = squares(self.D(fake), True)
        fool.backward()
        self.generator_optimizer.step()

        freeze((self.D,), False)
        self.critic_optimizer.zero_grad(set_to_none=True)
        spot = squares(self.D(y), True) + squares(self.D(self.pool.query(fake.detach())), False)
        (0.5 * spot).backward()
        self.critic_optimizer.step()
        return {"generator.adversarial": fool.detach(), "discriminator.adversarial": spot.detach()}


class StraightUNIT:
    """Two auto-encoders with shared layers, cross-entropy; `nets` has E_x, E_y, G_x, G_y, D_x and D_y."""

    def __init__(self, nets: Mapping[str, nn.Module], rate: float = 1e-4) -> None:
        self.E_x, self.E_y, self.G_x, self.G_y = nets["E_x"], nets["E_y"], nets["G_x"], nets["G_y"]
        self.D_x, self.D_y = nets["D_x"], nets["D_y"]
        self.coder_optimizer = adam((self.E_x, self.E_y, self.G_x, self.G_y), rate)
        self.critic_optimizer = adam((self.D_x, self.D_y), rate)

    def step(self, x: Tensor, y: Tensor) -> Terms:
        """One step on `x` and `y` (B, C, H, W); the unweighted terms."""
        freeze((self.D_x, self.D_y), True)
        self.coder_optimizer.zero_grad(set_to_none=True)
        code_x, code_y = self.E_x(x), self.E_y(y)
        z_x = code_x + torch.randn_like(code_x)
        z_y = code_y + torch.randn_like(code_y)
        fake_y, fake_x = self.G_y(z_x), self.G_x(z_y)
        back_x, back_y = self.E_y(fake_y), self.E_x(fake_x)
        adversarial = entropy(self.D_x(fake_x), True) + entropy(self.D_y(fake_y), True)
        reconstruction = F.l1_loss(self.G_x(z_x), x) + F.l1_loss(self.G_y(z_y), y)
        prior = code_x.pow(2).mean() + code_y.pow(2).mean()
        cycle = F.l1_loss(self.G_x(back_x + torch.randn_like(back_x)), x)
        cycle = cycle + F.l1_loss(self.G_y(back_y + torch.randn_like(back_y)), y)
        cycle_prior = back_x.pow(2).mean() + back_y.pow(2).mean()
        (10 * adversarial + 100 * reconstruction + 0.1 * prior + 100 * cycle + 0.1 * cycle_prior).backward()
        self.coder_optimizer.step()

        freeze((self.D_x, self.D_y), False)
        self.critic_optimizer.zero_grad(set_to_none=True)
        spot = entropy(self.D_x(x), True) + entropy(self.D_x(fake_x.detach()), False)
        spot = spot + entropy(self.D_y(y), True) + entropy(self.D_y(fake_y.detach()), False)
        (10 * spot).backward()
        self.critic_optimizer.step()
        return {
            "autoencoders.adversarial": adversarial.detach(),
            "autoencoders.reconstruction": reconstruction.detach(),
            "autoencoders.kl": prior.detach(),
            "autoencoders.cycle": cycle.detach(),
            "autoencoders.cycle_kl": cycle_prior.detach(),
            "discriminators.adversarial": spot.detach(),
        }
