"""Plain PyTorch implementations of CycleGAN, GAN and UNIT: references for the results and the speed of the package.

They use explicit freezing, detach, zero_grad and optimizer calls, and only the networks of the package. Random numbers
are drawn in the same order as in the methods of the package, so that equal seeds give equal results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Losses = dict[str, Tensor]


class Pool:
    """Image pool of past fakes: once it is full, each fake is swapped with a stored one with probability 1/2."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fakes: Tensor) -> Tensor:
        """Return fakes (B, C, H, W), some of them from earlier steps."""
        if self.size == 0:
            return fakes
        out = []
        for fake in fakes.split(1):
            if len(self.images) < self.size:
                self.images.append(fake.clone())
                out.append(fake)
            elif torch.rand(()) < 0.5:
                slot = int(torch.randint(self.size, ()))
                out.append(self.images[slot])
                self.images[slot] = fake.clone()
            else:
                out.append(fake)
        return torch.cat(out)


def adam(nets: Iterable[nn.Module], rate: float, decay: float = 0.0) -> torch.optim.Adam:
    """Return Adam over the parameters of `nets`, shared ones once, at learning rate `rate` with weight decay."""
    unique = {id(p): p for net in nets for p in net.parameters()}
    return torch.optim.Adam(unique.values(), lr=rate, betas=(0.5, 0.999), weight_decay=decay)


def freeze(nets: Iterable[nn.Module], frozen: bool) -> None:
    """Disable gradients of the parameters if `frozen`, else enable them."""
    for net in nets:
        for parameter in net.parameters():
            parameter.requires_grad_(not frozen)


def squares(scores: Tensor, real: bool) -> Tensor:
    """Least-squares loss of discriminator scores against the label real (1) or fake (0)."""
    return F.mse_loss(scores, torch.ones_like(scores) if real else torch.zeros_like(scores))


def entropy(scores: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of discriminator logits against the label real (1) or fake (0)."""
    return F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores) if real else torch.zeros_like(scores))


class StraightCycleGAN:
    """CycleGAN with least-squares loss; `nets` has G, F, D_x and D_y. `identity` 0 skips the identity loss."""

    def __init__(
        self, nets: Mapping[str, nn.Module], rate: float = 2e-4, memory: int = 50, identity: float = 5.0
    ) -> None:
        self.identity = identity
        self.G, self.F, self.D_x, self.D_y = nets["G"], nets["F"], nets["D_x"], nets["D_y"]
        self.generator_optimizer = adam((self.G, self.F), rate)
        self.discriminator_optimizer = adam((self.D_x, self.D_y), rate)
        self.pool_x, self.pool_y = Pool(memory), Pool(memory)

    def step(self, x: Tensor, y: Tensor) -> Losses:
        """Run one step on `x` and `y` (B, C, H, W); return the unweighted losses."""
        fake_y = self.G(x)
        reconstructed_x = self.F(fake_y)
        fake_x = self.F(y)
        reconstructed_y = self.G(fake_x)
        freeze((self.D_x, self.D_y), True)
        self.generator_optimizer.zero_grad(set_to_none=True)
        adversarial = squares(self.D_y(fake_y), True) + squares(self.D_x(fake_x), True)
        cycle = F.l1_loss(reconstructed_x, x) + F.l1_loss(reconstructed_y, y)
        loss = adversarial + 10 * cycle
        losses = {"generators.adversarial": adversarial.detach(), "generators.cycle": cycle.detach()}
        if self.identity:
            identity = F.l1_loss(self.G(y), y) + F.l1_loss(self.F(x), x)
            loss = loss + self.identity * identity
            losses["generators.identity"] = identity.detach()
        loss.backward()
        self.generator_optimizer.step()

        freeze((self.D_x, self.D_y), False)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        pooled_y = self.pool_y.query(fake_y.detach())
        pooled_x = self.pool_x.query(fake_x.detach())
        loss_d_y = squares(self.D_y(y), True) + squares(self.D_y(pooled_y), False)
        loss_d_x = squares(self.D_x(x), True) + squares(self.D_x(pooled_x), False)
        (0.5 * loss_d_y).backward()
        (0.5 * loss_d_x).backward()
        self.discriminator_optimizer.step()
        return {**losses, "discriminators.adversarial": (loss_d_x + loss_d_y).detach()}


class StraightGAN:
    """One-way GAN with least-squares loss; `nets` has G and D."""

    def __init__(self, nets: Mapping[str, nn.Module], rate: float = 2e-4, memory: int = 50) -> None:
        self.G, self.D = nets["G"], nets["D"]
        self.generator_optimizer, self.discriminator_optimizer = adam((self.G,), rate), adam((self.D,), rate)
        self.pool = Pool(memory)

    def step(self, x: Tensor, y: Tensor) -> Losses:
        """Run one step on `x` and `y` (B, C, H, W); return the unweighted losses."""
        fake = self.G(x)
        freeze((self.D,), True)
        self.generator_optimizer.zero_grad(set_to_none=True)
        generator_loss = squares(self.D(fake), True)
        generator_loss.backward()
        self.generator_optimizer.step()

        freeze((self.D,), False)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        discriminator_loss = squares(self.D(y), True) + squares(self.D(self.pool.query(fake.detach())), False)
        (0.5 * discriminator_loss).backward()
        self.discriminator_optimizer.step()
        return {
            "generator.adversarial": generator_loss.detach(),
            "discriminator.adversarial": discriminator_loss.detach(),
        }


class StraightUNIT:
    """UNIT: VAEs with shared layers, cross-entropy; `nets` has E_x, E_y, G_x, G_y, D_x and D_y."""

    def __init__(self, nets: Mapping[str, nn.Module], rate: float = 1e-4) -> None:
        self.E_x, self.E_y, self.G_x, self.G_y = nets["E_x"], nets["E_y"], nets["G_x"], nets["G_y"]
        self.D_x, self.D_y = nets["D_x"], nets["D_y"]
        self.autoencoder_optimizer = adam((self.E_x, self.E_y, self.G_x, self.G_y), rate, 1e-4)
        self.discriminator_optimizer = adam((self.D_x, self.D_y), rate, 1e-4)

    def step(self, x: Tensor, y: Tensor) -> Losses:
        """Run one step on `x` and `y` (B, C, H, W); return the unweighted losses."""
        freeze((self.D_x, self.D_y), True)
        self.autoencoder_optimizer.zero_grad(set_to_none=True)
        code_x, code_y = self.E_x(x), self.E_y(y)
        z_x = code_x + torch.randn_like(code_x)
        z_y = code_y + torch.randn_like(code_y)
        fake_y, fake_x = self.G_y(z_x), self.G_x(z_y)
        reconstructed_x, reconstructed_y = self.E_y(fake_y), self.E_x(fake_x)
        adversarial = entropy(self.D_x(fake_x), True) + entropy(self.D_y(fake_y), True)
        reconstruction = F.l1_loss(self.G_x(z_x), x) + F.l1_loss(self.G_y(z_y), y)
        prior = code_x.pow(2).mean() + code_y.pow(2).mean()
        cycle = F.l1_loss(self.G_x(reconstructed_x + torch.randn_like(reconstructed_x)), x)
        cycle = cycle + F.l1_loss(self.G_y(reconstructed_y + torch.randn_like(reconstructed_y)), y)
        cycle_prior = reconstructed_x.pow(2).mean() + reconstructed_y.pow(2).mean()
        (10 * adversarial + 100 * reconstruction + 0.1 * prior + 100 * cycle + 0.1 * cycle_prior).backward()
        self.autoencoder_optimizer.step()

        freeze((self.D_x, self.D_y), False)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        discriminator_loss = entropy(self.D_x(x), True) + entropy(self.D_x(fake_x.detach()), False)
        discriminator_loss = discriminator_loss + entropy(self.D_y(y), True) + entropy(self.D_y(fake_y.detach()), False)
        (10 * discriminator_loss).backward()
        self.discriminator_optimizer.step()
        return {
            "autoencoders.adversarial": adversarial.detach(),
            "autoencoders.reconstruction": reconstruction.detach(),
            "autoencoders.kl": prior.detach(),
            "autoencoders.cycle": cycle.detach(),
            "autoencoders.cycle_kl": cycle_prior.detach(),
            "discriminators.adversarial": discriminator_loss.detach(),
        }
