"""DualGAN: two generators that undo each other, each judged by a Wasserstein critic of its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
from unpaired.losses.gradient_penalty import gradient_penalty
from unpaired.methods.base import Batch, Method, Player, Route, StepContext, Turn, Turns, discriminator_loss_joint
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role


class DualGAN(Method):
    """Yi, Zhang, Tan, Gong 2017, arXiv:1704.02510: eq. (1)-(3) and algorithm 1, with the paper's Wasserstein critics.

    `turns` is how many steps the critics make for one of the generators (2 to 4 in the paper). `slope` says what bounds
    the critics' slope: "box" clamps their weights to `box` as in the paper; "penalty" is that of Gulrajani et al. 2017
    (arXiv:1704.00028), on the mean of a critic's scores, with `penalty_weight`. `cycle_weight` is in the middle of the
    paper's 100 to 1000. `clip` bounds the norm of each player's gradient; None is the paper's.

    Differs: the networks are those of the settings instead of a U-Net, without its dropout, the paper's noise z (so a
    picture has one translation); RMSProp averages over 100 steps, 10 in the authors' code. That code has gone over to
    cross entropy and a cycle weight of 20 since; the paper is followed here.
    """

    is_cycle_consistent = True
    ignored_if = {
        "weight_clip": ("lipschitz_constraint", "gradient-penalty"),
        "gradient_penalty_weight": ("lipschitz_constraint", "weight-clip"),
    }
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
        n_critic: int = 3,
        lipschitz_constraint: Literal["weight-clip", "gradient-penalty"] = "weight-clip",
        weight_clip: float = 0.01,
        gradient_penalty_weight: float = 10.0,
        cycle_weight: float = 500.0,
        optimizer: Literal["rmsprop", "adam"] = "rmsprop",
        lr: float = 5e-5,
        lr_d: float = 5e-5,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.n_critic, self.has_gradient_penalty = max(1, n_critic), lipschitz_constraint == "gradient-penalty"
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
        """The critics, and every so many steps the generators."""
        x, y = batch["X"], batch["Y"]
        is_generator_step = context.step % self.n_critic == 0
        with torch.set_grad_enabled(is_generator_step):
            fake_y, fake_x = self.G(x), self.F(y)
        yield Turn(
            "discriminators",
            adversarial=discriminator_loss_joint(self.D_y, y, fake_y, "wgan")
            + discriminator_loss_joint(self.D_x, x, fake_x, "wgan"),
            gradient_penalty=mean_score_gradient_penalty(self.D_y, y, fake_y)
            + mean_score_gradient_penalty(self.D_x, x, fake_x)
            if self.has_gradient_penalty
            else None,
        )
        if is_generator_step:
            yield Turn(
                "generators",
                adversarial=generator_loss(self.D_y(fake_y), "wgan") + generator_loss(self.D_x(fake_x), "wgan"),
                cycle=l1(self.F(fake_y), x) + l1(self.G(fake_x), y),
            )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out


def mean_score_gradient_penalty(discriminator: Role, real: Tensor, fake: Tensor) -> Tensor:
    """On the slope of the mean of an item's scores, which is what the adversarial terms are made of."""
    return gradient_penalty(lambda items: discriminator(items).flatten(1).mean(1), real, fake)
