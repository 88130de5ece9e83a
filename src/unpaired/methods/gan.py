"""A critic and nothing else: a shallow generator stays close to its input by itself."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from unpaired.losses.adversarial import AdversarialLoss, generator_loss
from unpaired.losses.distances import l1
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


class GAN(Method):
    """Galanti, Wolf, Benaim 2018 (ICLR), arXiv:1709.00074: the role of minimal complexity in unsupervised mapping.

    One way, from X to Y, with the adversarial term alone. `depth` is their complexity: the number of convolutions and
    deconvolutions of the generator (6 is the smallest that they find sufficient at 64 px). None takes the generator of
    the network settings. `clip` bounds the norm of each player's gradient; None is the paper's.

    With a teacher g, a shallow generator, this is the second step of their Alg. 1: G, their h, is a deeper one that is
    held to g by R[h, g], here the L1 distance of h(x) and g(x), times `similarity_weight` (their lambda).

    Differs: least squares and patches of CycleGAN's critic instead of DiscoGAN's, so that depth is all that changes
    between it and `cyclegan`.
    """

    accepts_teacher = True
    depth_setting = "depth"

    presets = {  # noqa: RUF012 - data
        "small": {"pool_size": 0, "lr": 4e-4, "lr_d": 1e-3, "grad_clip": 5.0},
        "tiny": {"pool_size": 0, "lr": 4e-4, "lr_d": 1e-3, "grad_clip": 5.0},
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        depth: int | None = 6,
        adversarial_loss: AdversarialLoss = "lsgan",
        distillation_weight: float = 1.0,
        pool_size: int = 50,
        lr: float = 2e-4,
        lr_d: float = 2e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss: AdversarialLoss = adversarial_loss
        self.G, self.D, self.pool = net.generator("X", "Y", depth), net.discriminator("Y"), ImagePool(pool_size)
        teacher = net.teacher()
        self.g = FrozenNetwork(teacher) if teacher is not None else None
        self.players = {
            "generator": Player(("G",), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("D",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {"adversarial": 1.0, "discriminator.adversarial": 0.5}
        if self.g is not None:
            self.loss_weights["distillation"] = distillation_weight
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The generator, then the critic."""
        x = batch["X"]
        fake = self.G(x)
        distillation = l1(fake, self.g(x)) if self.g is not None else None
        yield Turn(
            "generator", adversarial=generator_loss(self.D(fake), self.adversarial_loss), distillation=distillation
        )
        yield Turn(
            "discriminator",
            adversarial=discriminator_loss_joint(self.D, batch["Y"], self.pool(fake), self.adversarial_loss),
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y."""
        out: Tensor = self.G(x)
        return out
