"""UNIT: two variational auto-encoders with a common latent space, through shared layers and cycle consistency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor, nn
from typing_extensions import Doc

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
from unpaired.losses.prior import kl_divergence_unit_variance
from unpaired.methods.base import Batch, Player, StepContext, Turn, Turns, discriminator_loss_joint, forward_pair
from unpaired.methods.capabilities import EncoderDecoderMethod
from unpaired.methods.setting_types import (
    AdversarialLossName,
    AdversarialWeight,
    CycleWeight,
    DiscriminatorLearningRate,
    GradClip,
    KLWeight,
    LearningRate,
    ReconstructionWeight,
    TransportWeight,
    WeightDecay,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.optimal_transport import sum_transport_losses
from unpaired.routes import Route


class UNIT(EncoderDecoderMethod):
    """Liu, Breuel, Kautz 2017, arXiv:1703.00848: eq. (2)-(4) and (10)-(12), with a fixed variance of the latent codes.

    An encoder and a decoder per domain; the last residual block of the encoders and the first of the decoders are
    shared. The reconstruction likelihood is Laplacian (L1), as in sec. 5. Weights are those of the authors' code.
    `latent_std` is 1 in the paper; if the auto-encoders start at the identity, the latent code is close to the image
    and needs a small value. `transport_weight` (voice) is as in CycleGAN.

    The preset `paper` for images has the authors' encoders: three residual blocks and the shared one.

    Differs: the discriminators are CycleGAN's, with normalization, and share no layers (in the authors' code six
    strided 3 x 3 convolutions without normalization, for faces the last four shared); they train after the
    auto-encoders in each step (there before). Auto-encoders have reflection padding (there zeros), an encoder's first
    convolution has normalization and ReLU (there no normalization and leaky ReLU; for faces, no convolution outside the
    residual blocks has normalization), and a decoder's last one is 7 x 7 (there 1 x 1). The KL divergence is that of
    the mean codes (there of the sampled ones, which has the same expected gradient).
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
            "weight_decay": 0.0,
            "latent_std": 0.03,
        }
        for preset in ("small", "tiny")
    }
    media_presets = {"voice": {p: {**s, "latent_std": 1.0, "transport_weight": 50.0} for p, s in presets.items()}}  # noqa: RUF012
    preset_sections = {  # noqa: RUF012
        "image": {"paper": {"networks": {"blocks": 6}, "training": {"lr_decay_start": 1.0}}}
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: AdversarialLossName = "bce",
        adversarial_weight: AdversarialWeight = 10.0,
        reconstruction_weight: ReconstructionWeight = 100.0,
        kl_weight: KLWeight = 0.1,
        cycle_weight: CycleWeight = 100.0,
        cycle_kl_weight: Annotated[
            float,
            Doc(
                "Weight of the KL divergence of the translations' latent codes from the normal prior. "
                "Raise it if round trips fail."
            ),
        ] = 0.1,
        transport_weight: TransportWeight = 0.0,
        latent_std: Annotated[
            float,
            Doc(
                "Standard deviation of the noise added to the latent code in training. "
                "Lower it if outputs are noisy or blurred."
            ),
        ] = 1.0,
        weight_decay: WeightDecay = 1e-4,
        lr: LearningRate = 1e-4,
        lr_d: DiscriminatorLearningRate = 1e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss = adversarial_loss
        self.latent_std = latent_std
        # E_x, E_y: encoders, G_x, G_y: decoders, D_x, D_y: discriminators, z_x, z_y: sampled latent codes.
        shared_encoder_block, shared_decoder_block = net.shared_block(), net.shared_block()
        self.E_x, self.E_y = Role(net.encoder("X"), shared_encoder_block), Role(net.encoder("Y"), shared_encoder_block)
        self.G_x, self.G_y = Role(shared_decoder_block, net.decoder("X")), Role(shared_decoder_block, net.decoder("Y"))
        self.D_x, self.D_y = net.discriminator("X"), net.discriminator("Y")
        num_transport_losses = 2 if transport_weight else 0
        self.transport = nn.ModuleList(net.transport_loss() for _ in range(num_transport_losses))
        self.players = {
            "autoencoders": Player(("E_x", "E_y", "G_x", "G_y"), lr=lr, weight_decay=weight_decay, grad_clip=grad_clip),
            "discriminators": Player(("D_x", "D_y"), lr=lr_d, weight_decay=weight_decay, grad_clip=grad_clip),
        }
        self.loss_weights = {
            "adversarial": adversarial_weight,
            "reconstruction": reconstruction_weight,
            "kl": kl_weight,
            "cycle": cycle_weight,
            "cycle_kl": cycle_kl_weight,
            "discriminators.adversarial": adversarial_weight,
        }
        if transport_weight:
            self.loss_weights["transport"] = transport_weight
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the turn of the encoders and decoders, then the discriminators' turn."""
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
            transport=sum_transport_losses(self.transport, (fake_x, fake_y), (x, y), context.budget_fraction)
            if self.transport
            else None,
        )
        yield Turn(
            "discriminators",
            adversarial=discriminator_loss_joint(self.D_x, x, fake_x, self.adversarial_loss)
            + discriminator_loss_joint(self.D_y, y, fake_y, self.adversarial_loss),
        )

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """Return the mean of the latent code."""
        code: Tensor = (self.E_x if domain == "X" else self.E_y)(x)
        return code

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """Decode with the decoder of `domain`."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(code)
        return y

    def reparameterize(self, mean: Tensor) -> Tensor:
        """Sample a latent code from N(mean, latent_std^2 I) with the reparameterization trick."""
        return mean + self.latent_std * torch.randn_like(mean)
