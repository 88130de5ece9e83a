"""DualGAN: two generators that undo each other, each judged by a Wasserstein critic of its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Method, Move, Now, Player, Route, Turn, spotted
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.terms.adversarial import fool
from unpaired.terms.closeness import l1
from unpaired.terms.penalty import gradient_penalty


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

    restores = True
    idle = {"box": ("slope", "penalty"), "penalty_weight": ("slope", "box")}  # noqa: RUF012 - data
    presets = {  # noqa: RUF012 - data
        preset: {
            "slope": "penalty",
            "turns": 2,
            "cycle_weight": 20.0,
            "optimizer": "adam",
            "rate": 4e-4,
            "critic_rate": 1e-3,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: Networks,
        *,
        turns: int = 3,
        slope: Literal["box", "penalty"] = "box",
        box: float = 0.01,
        penalty_weight: float = 10.0,
        cycle_weight: float = 500.0,
        optimizer: Literal["rmsprop", "adam"] = "rmsprop",
        rate: float = 5e-5,
        critic_rate: float = 5e-5,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.every, self.penalised = max(1, turns), slope == "penalty"
        self.G, self.F = net.generator("X", "Y"), net.generator("Y", "X")
        self.D_x, self.D_y = net.critic("X"), net.critic("Y")
        self.players = {
            "generators": Player(("G", "F"), rate=rate, optimizer=optimizer, clip=clip),
            "critics": Player(
                ("D_x", "D_y"),
                rate=critic_rate,
                optimizer=optimizer,
                clip=clip,
                box=None if self.penalised else box,
            ),
        }
        self.weights = {"adversarial": 1.0, "cycle": cycle_weight}
        if self.penalised:
            self.weights["penalty"] = penalty_weight
        self.routes = (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The critics, and every so many steps the generators."""
        x, y = batch["X"], batch["Y"]
        generators_move = now.step % self.every == 0
        with torch.set_grad_enabled(generators_move):
            fake_y, fake_x = self.G(x), self.F(y)
        yield Turn(
            "critics",
            adversarial=spotted(self.D_y, y, fake_y, "wgan") + spotted(self.D_x, x, fake_x, "wgan"),
            penalty=penalty(self.D_y, y, fake_y) + penalty(self.D_x, x, fake_x) if self.penalised else None,
        )
        if generators_move:
            yield Turn(
                "generators",
                adversarial=fool(self.D_y(fake_y), "wgan") + fool(self.D_x(fake_x), "wgan"),
                cycle=l1(self.F(fake_y), x) + l1(self.G(fake_x), y),
            )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out


def penalty(critic: Role, real: Tensor, fake: Tensor) -> Tensor:
    """On the slope of the mean of an item's scores, which is what the adversarial terms are made of."""
    return gradient_penalty(lambda items: critic(items).flatten(1).mean(1), real, fake)
