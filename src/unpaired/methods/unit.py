"""UNIT: two variational auto-encoders whose codes live in one space, tied by shared layers and the cycle."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from unpaired.losses.adversarial import AdversarialLoss, generator_loss
from unpaired.losses.distances import l1
from unpaired.losses.prior import kl_divergence_unit_variance
from unpaired.methods.base import Batch, Player, Route, StepContext, Turn, Turns, discriminator_loss_joint, forward_pair
from unpaired.methods.capabilities import EncoderDecoderMethod
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role


class UNIT(EncoderDecoderMethod):
    """Liu, Breuel, Kautz 2017, arXiv:1703.00848: eq. (2)-(4) and (10)-(12), the variance of the codes fixed.

    An encoder and a decoder per domain; the encoders' last residual block and the decoders' first are one module each.
    The reconstruction likelihood is Laplacian (L1), as in the paper's sec. 5. Weights are the authors' code's.
    `deviation` is that of the codes, one in the paper; small beside a picture where coders begin at the identity.
    `transport_weight` as in CycleGAN, of voices. `clip` bounds the norm of each player's gradient; None is the paper's.

    Differs: the critics share no layers.
    """

    is_cycle_consistent = True

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial_loss": "lsgan",
            "reconstruction_weight": 30.0,
            "cycle_weight": 20.0,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
            "latent_std": 0.03,
        }
        for preset in ("small", "tiny")
    }
    voice_presets = {p: {**s, "latent_std": 1.0, "transport_weight": 50.0} for p, s in presets.items()}  # noqa: RUF012

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: AdversarialLoss = "bce",
        adversarial_weight: float = 10.0,
        reconstruction_weight: float = 100.0,
        kl_weight: float = 0.1,
        cycle_weight: float = 100.0,
        cycle_kl_weight: float = 0.1,
        transport_weight: float = 0.0,
        latent_std: float = 1.0,
        lr: float = 1e-4,
        lr_d: float = 1e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss: AdversarialLoss = adversarial_loss
        self.latent_std = latent_std
        shared_encoder_block, shared_decoder_block = net.shared_block(), net.shared_block()
        self.E_x, self.E_y = Role(net.encoder("X"), shared_encoder_block), Role(net.encoder("Y"), shared_encoder_block)
        self.G_x, self.G_y = Role(shared_decoder_block, net.decoder("X")), Role(shared_decoder_block, net.decoder("Y"))
        self.D_x, self.D_y = net.discriminator("X"), net.discriminator("Y")
        self.transport = nn.ModuleList(net.transport_loss(source_weight=0.5) for _ in range(2 * (transport_weight > 0)))
        self.players = {
            "autoencoders": Player(("E_x", "E_y", "G_x", "G_y"), lr=lr, grad_clip=grad_clip),
            "discriminators": Player(("D_x", "D_y"), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {
            "adversarial": adversarial_weight,
            "reconstruction": reconstruction_weight,
            "kl": kl_weight,
            "cycle": cycle_weight,
            "cycle_kl": cycle_kl_weight,
            "discriminators.adversarial": adversarial_weight,
        }
        self.loss_weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The coders of both domains together, then the critics together."""
        x, y = batch["X"], batch["Y"]
        code_x, code_y = self.E_x(x), self.E_y(y)
        z_x, z_y = self.reparameterize(code_x), self.reparameterize(code_y)
        rec_x, fake_x = forward_pair(self.G_x, z_x, z_y)
        rec_y, fake_y = forward_pair(self.G_y, z_y, z_x)
        cycle_code_x, cycle_code_y = self.E_y(fake_y), self.E_x(fake_x)
        yield Turn(
            "autoencoders",
            adversarial=generator_loss(self.D_x(fake_x), self.adversarial_loss)
            + generator_loss(self.D_y(fake_y), self.adversarial_loss),
            reconstruction=l1(rec_x, x) + l1(rec_y, y),
            kl=kl_divergence_unit_variance(code_x) + kl_divergence_unit_variance(code_y),
            cycle=l1(self.G_x(self.reparameterize(cycle_code_x)), x)
            + l1(self.G_y(self.reparameterize(cycle_code_y)), y),
            cycle_kl=kl_divergence_unit_variance(cycle_code_x) + kl_divergence_unit_variance(cycle_code_y),
            transport=self.transport[0](fake_x, y, x) + self.transport[1](fake_y, x, y) if self.transport else None,
        )
        yield Turn(
            "discriminators",
            adversarial=discriminator_loss_joint(self.D_x, x, fake_x, self.adversarial_loss)
            + discriminator_loss_joint(self.D_y, y, fake_y, self.adversarial_loss),
        )

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """The mean of the code."""
        code: Tensor = (self.E_x if domain == "X" else self.E_y)(x)
        return code

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The domain's decoder."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(code)
        return y

    def reparameterize(self, mean: Tensor) -> Tensor:
        """A code from N(mean, deviation^2 I): the reparametrised draw of a variational auto-encoder."""
        return mean + self.latent_std * torch.randn_like(mean)
