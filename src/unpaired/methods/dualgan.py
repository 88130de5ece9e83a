"""DualGAN: two generators, there and back, with cycle consistency and Wasserstein discriminators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
from unpaired.losses.gradient_penalty import gradient_penalty
from unpaired.methods.base import Batch, Method, Player, StepContext, Turn, Turns, discriminator_loss_joint
from unpaired.methods.setting_types import (
    CriticSteps,
    CycleWeight,
    DiscriminatorLearningRate,
    GradClip,
    LearningRate,
    OptimizerName,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.routes import Route

CONSTANT_LR = {"lr_decay_start": 1.0}


class DualGAN(Method):
    """Yi, Zhang, Tan, Gong 2017, arXiv:1704.02510: eq. (1)-(3) and algorithm 1, with the paper's Wasserstein loss.

    The paper uses `n_critic` 2 to 4 and a cycle weight of 100 to 1000. `lipschitz_constraint` "weight-clip" clamps the
    discriminators' weights, as in the paper; "gradient-penalty" is that of Gulrajani et al. 2017 (arXiv:1704.00028), on
    the mean of a discriminator's scores.

    The defaults follow the paper. Those of the authors' code have changed: to cross entropy with a cycle weight of 20
    in 2017, and in April 2020 to a gradient penalty, a cycle weight of 500 and one discriminator step per generator
    step (`lipschitz_constraint` "gradient-penalty", `n_critic` 1).

    Differs: the networks are those of the settings instead of a U-Net of eight levels and have no dropout, which is the
    paper's noise z (so an input has one translation; the authors' code has had none since 2020); the discriminators
    score patches (there one score per image by default); RMSProp averages over 100 steps (there 10).
    """

    is_cycle_consistent = True
    ignored_if = {  # noqa: RUF012 - data
        "weight_clip": ("lipschitz_constraint", "gradient-penalty"),
        "gradient_penalty_weight": ("lipschitz_constraint", "weight-clip"),
    }
    preset_sections = {"image": {"paper": {"medium_settings": {"load_size_ratio": 1.0}, "training": CONSTANT_LR}}}  # noqa: RUF012
    presets = {  # noqa: RUF012 - data
        preset: {
            "lipschitz_constraint": "gradient-penalty",
            "n_critic": 2,
            "cycle_weight": 20.0,
            "optimizer": "adam",
            "lr": 4e-4,
            "lr_d": 1e-3,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        n_critic: CriticSteps = 3,
        lipschitz_constraint: Annotated[
            Literal["weight-clip", "gradient-penalty"],
            Doc(
                "Method that keeps the discriminators Lipschitz: weight-clip (the paper's) or gradient-penalty. "
                "Choose gradient-penalty for short runs."
            ),
        ] = "weight-clip",
        weight_clip: Annotated[
            float,
            Doc(
                "Limit of the absolute value of each discriminator weight; only with "
                "--lipschitz-constraint weight-clip. Lower it if the adversarial loss explodes."
            ),
        ] = 0.01,
        gradient_penalty_weight: Annotated[
            float,
            Doc(
                "Weight of the gradient penalty; only with --lipschitz-constraint gradient-penalty. "
                "Raise it if the adversarial loss grows without limit."
            ),
        ] = 10.0,
        cycle_weight: CycleWeight = 500.0,
        optimizer: OptimizerName = "rmsprop",
        lr: LearningRate = 5e-5,
        lr_d: DiscriminatorLearningRate = 5e-5,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.turn_period = self.n_critic = n_critic
        self.has_gradient_penalty = lipschitz_constraint == "gradient-penalty"
        # G: X -> Y and F: Y -> X are the generators, D_x and D_y the discriminators (critics).
        self.G, self.F = net.generator("X", "Y"), net.generator("Y", "X")
        self.D_x, self.D_y = net.discriminator("X"), net.discriminator("Y")
        self.players = {
            "generators": Player(("G", "F"), lr=lr, optimizer=optimizer, grad_clip=grad_clip),
            "discriminators": Player(
                ("D_x", "D_y"),
                lr=lr_d,
                optimizer=optimizer,
                grad_clip=grad_clip,
                weight_clip=None if self.has_gradient_penalty else weight_clip,
            ),
        }
        self.loss_weights = {"adversarial": 1.0, "cycle": cycle_weight}
        if self.has_gradient_penalty:
            self.loss_weights["gradient_penalty"] = gradient_penalty_weight
        self.routes = (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the discriminators' turn and, in every `n_critic`-th step, the generators' turn."""
        x, y = batch["X"], batch["Y"]
        is_generator_step = context.step % self.n_critic == 0
        with torch.set_grad_enabled(is_generator_step):
            fake_y, fake_x = self.G(x), self.F(y)
        adversarial = discriminator_loss_joint(self.D_y, y, fake_y, "wgan") + discriminator_loss_joint(
            self.D_x, x, fake_x, "wgan"
        )
        penalty = None
        if self.has_gradient_penalty:
            penalty = mean_score_gradient_penalty(self.D_y, y, fake_y) + mean_score_gradient_penalty(
                self.D_x, x, fake_x
            )
        yield Turn("discriminators", adversarial=adversarial, gradient_penalty=penalty)
        if is_generator_step:
            yield Turn(
                "generators",
                adversarial=generator_loss(self.D_y(fake_y), "wgan") + generator_loss(self.D_x(fake_x), "wgan"),
                cycle=l1(self.F(fake_y), x) + l1(self.G(fake_x), y),
            )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Apply G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out


def mean_score_gradient_penalty(discriminator: Role, real: Tensor, fake: Tensor) -> Tensor:
    """Gradient penalty on the mean of an item's scores, the quantity that the adversarial loss uses."""
    return gradient_penalty(lambda items: discriminator(items).flatten(1).mean(1), real, fake)
