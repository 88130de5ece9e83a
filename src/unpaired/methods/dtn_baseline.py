"""The Domain Transfer Network's baseline: a critic, and what a pretrained network sees must stay."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from unpaired.losses.adversarial import AdversarialLoss, generator_loss
from unpaired.losses.distances import mse
from unpaired.methods.base import (
    Batch,
    FrozenNetwork,
    ImagePool,
    Method,
    Player,
    Route,
    StepContext,
    Turn,
    Turns,
    discriminator_loss_joint,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import load_embedding as pretrained


class DTNBaseline(Method):
    """Taigman, Polyak, Wolf 2017, arXiv:1611.02200: the baseline of sec. 3, R_GAN + alpha R_CONST (eq. 1 and 2).

    One way, from X to Y. G is any generator; f, `embedding`, is frozen: "efficientnet-lite0", "vgg16-hed", "timm:NAME",
    or the name that `unpaired.offer` gave to a network of one's own. The distance is the mean square of normalised
    maps, each with the same say. `constancy_weight` is alpha. `clip` bounds the norm of each player's gradient; None is
    the paper's.

    Differs: f is a general network of pictures and not one of digits or faces; a memory of fakes is at hand.
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
        embedding: str = "efficientnet-lite0",
        adversarial_loss: AdversarialLoss = "bce",
        perceptual_weight: float = 15.0,
        pool_size: int = 0,
        lr: float = 2e-4,
        lr_d: float = 2e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss: AdversarialLoss = adversarial_loss
        self.G, self.D, self.pool = net.generator("X", "Y"), net.discriminator("Y"), ImagePool(pool_size)
        self.f = FrozenNetwork(Role(pretrained(embedding)))
        self.players = {
            "generator": Player(("G",), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("D",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0, "perceptual": perceptual_weight}
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The generator, then the critic."""
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
        """G from X to Y."""
        out: Tensor = self.G(x)
        return out
