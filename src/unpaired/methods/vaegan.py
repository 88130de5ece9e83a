"""VAE-GAN: a variational auto-encoder per domain that measures likeness by what its critic sees. Nothing ties them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.losses.adversarial import AdversarialLoss, discriminator_loss, generator_loss
from unpaired.losses.distances import l1, mse
from unpaired.losses.prior import kl_divergence
from unpaired.methods.base import Batch, Player, Route, StepContext, Turn, Turns, forward_pair
from unpaired.methods.capabilities import EncoderDecoderMethod, SamplingMethod
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role

SMALL_OPTIMIZER = {"lr": 4e-4, "lr_d": 4e-4, "grad_clip": 5.0}


class VAEGAN(EncoderDecoderMethod, SamplingMethod):
    """Larsen, Sonderby, Larochelle, Winther 2016, arXiv:1512.09300: algorithm 1, once per domain.

    Translating takes one domain's encoder and the other's decoder. Their codes are unrelated, so it is the baseline
    that shows why a common space needs a tie. The critics judge items, reconstructions and decoded draws from the prior
    (eq. 5); likeness is that of the activations of their layer number `layer` (eq. 7; counted through the views of a
    light critic). As in the authors' code both kinds of fakes together weigh as much as real items. Terms are means:
    `gamma` (eq. 9) is the authors' 1e-6 on the sum over 256 x 8 x 8 activations, `prior_weight` 128 codes to those.

    `pixel_weight` adds the L1 distance to encoders and decoders; 0 is the paper's. `clip` bounds the norm of each
    player's gradient; None is the paper's.

    Differs: the decoders' adversarial term is non-saturating; no player waits for another to catch up.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "optimizer": "adam",
            "adversarial_loss": "lsgan",
            "decoder_reconstruction_weight": 1.0,
            "pixel_weight": 10.0,
            **SMALL_OPTIMIZER,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        latent_dim: int = 128,
        feature_layer: int = 3,
        adversarial_loss: AdversarialLoss = "bce",
        decoder_reconstruction_weight: float = 0.016,
        kl_weight: float = 0.008,
        pixel_weight: float = 0.0,
        optimizer: Literal["adam", "rmsprop"] = "rmsprop",
        lr: float = 3e-4,
        lr_d: float = 3e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.latent_dim, self.feature_layer, self.adversarial_loss = latent_dim, feature_layer, adversarial_loss
        self.E_x, self.E_y = net.encode_vector("X", 2 * latent_dim), net.encode_vector("Y", 2 * latent_dim)
        self.G_x, self.G_y = (
            Role(net.decode_vector(latent_dim), net.render("X")),
            Role(net.decode_vector(latent_dim), net.render("Y")),
        )
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
        """All three players of both domains at once, from one forward pass."""
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
        """The mean of the code (B, codes)."""
        mean: Tensor = (self.E_x if domain == "X" else self.E_y)(x)[:, : self.latent_dim]
        return mean

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The domain's decoder, at the trained size."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(code)
        return y

    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draws from the prior, each decoded in both domains, which have nothing to do with each other."""
        code = torch.randn(count, self.latent_dim, generator=generator).to(next(self.parameters()))
        return {domain: self.decode(code, domain) for domain in "XY"}
