"""Baseline of the Domain Transfer Network: a GAN with a perceptual loss on pretrained features."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import mse
from unpaired.methods.base import (
    Batch,
    FrozenNetwork,
    ImagePool,
    Method,
    Player,
    StepContext,
    Turn,
    Turns,
    discriminator_loss_joint,
)
from unpaired.methods.setting_types import (
    AdversarialLossName,
    DiscriminatorLearningRate,
    GradClip,
    LearningRate,
    PerceptualWeight,
    PoolSize,
    PretrainedName,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import load_embedding
from unpaired.routes import Route


class DTNBaseline(Method):
    """Taigman, Polyak, Wolf 2017, arXiv:1611.02200: the baseline of sec. 3, R_GAN + alpha R_CONST (eq. 1 and 2).

    One way, X to Y. G is any generator; f is a frozen pretrained network (`feature_extractor`). The perceptual loss
    (R_CONST, alpha: `perceptual_weight`) is the mean squared difference of normalized feature maps, each map with equal
    weight.

    Differs: f is a general-purpose image network instead of one trained on digits or faces, so the preset `paper` keeps
    CycleGAN's networks and 256 px; an image pool is available.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial_loss": "lsgan",
            "perceptual_weight": 0.5,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        feature_extractor: PretrainedName = "efficientnet-lite0",
        adversarial_loss: AdversarialLossName = "bce",
        perceptual_weight: PerceptualWeight = 15.0,
        pool_size: PoolSize = 0,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss = adversarial_loss
        # G: X -> Y is the generator, D the discriminator of Y, f the pretrained network.
        self.G, self.D, self.pool = net.generator("X", "Y"), net.discriminator("Y"), ImagePool(pool_size)
        self.f = FrozenNetwork(Role(load_embedding(feature_extractor)))
        self.players = {
            "generator": Player(("G",), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("D",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0, "perceptual": perceptual_weight}
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the generator's turn, then the discriminator's turn."""
        x, y = batch["X"], batch["Y"]
        fake = self.G(x)
        yield Turn(
            "generator",
            adversarial=generator_loss(self.D(fake), self.adversarial_loss),
            perceptual=mse(self.f(fake), self.f(x)),
        )
        yield Turn(
            "discriminator", adversarial=discriminator_loss_joint(self.D, y, self.pool(fake), self.adversarial_loss)
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Apply G, from X to Y."""
        out: Tensor = self.G(x)
        return out
