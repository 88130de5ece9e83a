"""VAE-GAN: a variational auto-encoder per domain whose reconstruction loss uses discriminator features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.distances import l1, mse
from unpaired.losses.prior import kl_divergence
from unpaired.methods.base import Batch, Player, StepContext, Turn, Turns, forward_pair
from unpaired.methods.capabilities import EncoderDecoderMethod, SamplingMethod
from unpaired.methods.setting_types import (
    AdversarialLossName,
    DiscriminatorLearningRate,
    GradClip,
    KLWeight,
    LatentDim,
    LearningRate,
    OptimizerName,
    PositiveInt,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.routes import Route

SMALL_OPTIMIZER = {"lr": 4e-4, "lr_d": 4e-4, "grad_clip": 5.0}


class VAEGAN(EncoderDecoderMethod, SamplingMethod):
    """Larsen, Sonderby, Larochelle, Winther 2016, arXiv:1512.09300: algorithm 1, once per domain.

    Translation encodes with the encoder of one domain and decodes with the decoder of the other. Their latent codes are
    unrelated: this baseline shows what happens without a content constraint. The discriminators judge items,
    reconstructions and decoded samples from the prior (eq. 5); both kinds of generated items together weigh as much as
    real items. The reconstruction loss compares discriminator features of the layer `feature_layer` (eq. 7; counted
    through the views of a light discriminator). Losses are means, where the authors sum a likelihood of half the
    squared distance over 256 x 8 x 8 activations and a KL divergence over 128 latent values. The defaults equal these:
    `decoder_reconstruction_weight` (gamma, eq. 9) is their 1e-6 times 16384 / 2, and `kl_weight` is 128 / (16384 / 2).

    `pixel_weight` adds the L1 distance for encoders and decoders; the paper has none.

    Differs from the authors' code: reconstructions are judged, as in the paper (their scripts for faces leave them
    out); the decoders' adversarial loss is non-saturating; batch norm normalizes real items and each kind of generated
    items separately (there together); all players train in every step (there a player that is ahead pauses) without
    weight decay (there 1e-5); RMSProp averages over 100 steps (there 10); the discriminators score patches; features
    are those after normalization and activation (there the fourth convolution); kernels are 3 x 3 (there 5 x 5), and
    upsampling is bilinear. The preset `paper` for images has batch norm, as there; instance norm would hide colors from
    the features.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "optimizer": "adam",
            "adversarial_loss": "lsgan",
            "decoder_reconstruction_weight": 1.0,
            "kl_weight": 0.008,
            "pixel_weight": 10.0,
            **SMALL_OPTIMIZER,
        }
        for preset in ("small", "tiny")
    }
    preset_sections = {  # noqa: RUF012
        "image": {
            "paper": {"medium_settings": {"size": 64}, "networks": {"norm": "batch"}, "training": {"ema_decay": 0.0}}
        }
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        latent_dim: LatentDim = 128,
        feature_layer: Annotated[
            PositiveInt,
            Doc(
                "Number of the discriminator layer, from 1, whose features define the reconstruction loss. "
                "Lower it to keep finer detail."
            ),
        ] = 3,
        adversarial_loss: AdversarialLossName = "bce",
        decoder_reconstruction_weight: Annotated[
            float,
            Doc(
                "Weight of the reconstruction loss in the decoders (the paper's gamma). "
                "Raise it if outputs lose content, lower it if they are blurred."
            ),
        ] = 0.008192,
        kl_weight: KLWeight = 0.015625,
        pixel_weight: Annotated[
            float,
            Doc(
                "Weight of the L1 distance between an input and its reconstruction; 0: off. "
                "Raise it if reconstructions differ in color or position."
            ),
        ] = 0.0,
        optimizer: OptimizerName = "rmsprop",
        lr: LearningRate = 3e-4,
        lr_d: DiscriminatorLearningRate = 3e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.latent_dim, self.feature_layer, self.adversarial_loss = latent_dim, feature_layer, adversarial_loss
        # E_x, E_y: encoders (mean and log variance of the code), G_x, G_y: decoders, D_x, D_y: discriminators.
        self.E_x, self.E_y = net.encode_vector("X", 2 * latent_dim), net.encode_vector("Y", 2 * latent_dim)
        self.G_x = Role(net.decode_vector(latent_dim), net.render("X"))
        self.G_y = Role(net.decode_vector(latent_dim), net.render("Y"))
        self.D_x, self.D_y = net.discriminator("X"), net.discriminator("Y")
        self.players = {
            "encoders": Player(("E_x", "E_y"), lr, optimizer, grad_clip=grad_clip),
            "decoders": Player(("G_x", "G_y"), lr, optimizer, grad_clip=grad_clip),
            "discriminators": Player(("D_x", "D_y"), lr_d, optimizer, grad_clip=grad_clip),
        }
        self.loss_weights = {
            "adversarial": 1.0,
            "kl": kl_weight,
            "reconstruction": 1.0,
            "decoders.reconstruction": decoder_reconstruction_weight,
            "pixel": pixel_weight,
        }
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the turns of all three players simultaneously, from one forward pass."""
        x = self._compute_losses(batch["X"], self.E_x, self.G_x, self.D_x)
        y = self._compute_losses(batch["Y"], self.E_y, self.G_y, self.D_y)
        losses = {name: x[name] + y[name] for name in x}
        reconstruction_losses = {"reconstruction": losses["reconstruction"], "pixel": losses["pixel"]}
        yield [
            Turn("encoders", kl=losses["kl"], **reconstruction_losses),
            Turn("decoders", adversarial=losses["generator"], **reconstruction_losses),
            Turn("discriminators", adversarial=losses["discriminator"]),
        ]

    def _compute_losses(self, x: Tensor, encoder: Role, decoder: Role, discriminator: Role) -> dict[str, Tensor]:
        """Compute all losses of one domain, by name."""
        mean, log_variance = encoder(x).chunk(2, dim=1)
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        rec, prior_sample = forward_pair(decoder, code, torch.randn_like(mean))
        (real_scores, real_features), (rec_scores, rec_features), (sample_scores, _) = (
            discriminator.forward_with_features(x, rec, prior_sample)
        )
        layer_index = min(self.feature_layer, len(real_features)) - 1
        fake_scores = torch.cat((rec_scores, sample_scores))
        return {
            "kl": kl_divergence(mean, log_variance),
            "reconstruction": mse(real_features[layer_index], rec_features[layer_index]),
            "pixel": l1(rec, x),
            "generator": generator_loss(fake_scores, self.adversarial_loss),
            "discriminator": discriminator_loss(real_scores, fake_scores, self.adversarial_loss),
        }

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """Return the mean of the latent code (B, latent_dim)."""
        mean: Tensor = (self.E_x if domain == "X" else self.E_y)(x)[:, : self.latent_dim]
        return mean

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """Decode with the decoder of `domain`, at the training size."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(code)
        return y

    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Sample the prior and decode each code in both domains. The two items of a code are unrelated."""
        code = torch.randn(count, self.latent_dim, generator=generator).to(next(self.parameters()))
        return {domain: self.decode(code, domain) for domain in "XY"}
