"""GAN without a content constraint: a shallow generator preserves its input without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
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
    GeneratorDepth,
    GradClip,
    LearningRate,
    PoolSize,
)
from unpaired.networks import NetworkFactory
from unpaired.routes import Route


class GAN(Method):
    """Galanti, Wolf, Benaim 2018 (ICLR), arXiv:1709.00074: the role of minimal complexity in unsupervised mapping.

    One way, X to Y, with the adversarial loss only. `depth` is the paper's complexity: the number of convolutions and
    transposed convolutions of the generator (6 is the smallest sufficient one at 64 px in the paper).

    With a teacher g (a trained shallow generator) this is the second step of the paper's algorithm 1: G, the paper's h,
    is a deeper generator, and R[h, g] is the L1 distance of h(x) and g(x), with the weight `distillation_weight`
    (the paper's lambda).

    The preset `paper` for images has the paper's 64 px.

    Differs: least squares and CycleGAN's patch discriminator instead of DiscoGAN's networks, so that the depth is the
    only difference from `cyclegan`'s adversarial training.
    """

    accepts_teacher = True
    depth_setting = "depth"

    presets = {  # noqa: RUF012 - data
        "small": {"pool_size": 0, "lr": 4e-4, "lr_d": 1e-3, "grad_clip": 5.0},
        "tiny": {"pool_size": 0, "lr": 4e-4, "lr_d": 1e-3, "grad_clip": 5.0},
    }
    preset_sections = {"image": {"paper": {"medium_settings": {"size": 64}}}}  # noqa: RUF012

    def __init__(
        self,
        net: NetworkFactory,
        *,
        depth: GeneratorDepth = 6,
        adversarial_loss: AdversarialLossName = "lsgan",
        distillation_weight: Annotated[
            float,
            Doc(
                "Weight of the L1 distance to the teacher's output; used only with --teacher. "
                "Raise it to follow the teacher more closely."
            ),
        ] = 1.0,
        pool_size: PoolSize = 50,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss = adversarial_loss
        # G: X -> Y is the generator (the paper's h if there is a teacher), D the discriminator, g the teacher.
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
        """Yield the generator's turn, then the discriminator's turn."""
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
        """Apply G, from X to Y."""
        out: Tensor = self.G(x)
        return out
