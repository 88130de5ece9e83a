"""CycleGAN: two generators that undo each other, each with a critic of its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Method, Move, Now, Past, Player, Route, Turn, together, total
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.terms.adversarial import fool, spot
from unpaired.terms.closeness import l1


class CycleGAN(Method):
    """Zhu, Park, Isola, Efros 2017, arXiv:1703.10593.

    Eq. (1) with the least squares of sec. 4, eq. (2), eq. (3); identity term of sec. 5.2; memory of fakes of sec. 4.
    `cycle` "forward" or "backward" keeps half of eq. (2) (the ablation of sec. 5.1.4), with both generators and both
    critics. `one_way` learns X to Y alone: one critic, and F only to hold G to its input.

    `cycle_noise` is the deviation of noise on a translation before it is reconstructed (Bashkirova et al. 2019,
    arXiv:1908.01517): what is hidden in faint patterns is lost in it. 0 is the paper's. `clip` bounds the norm of each
    player's gradient, which un-normed critics need; None is the paper's.

    Differs: the identity term is on by default, as in the authors' code (`lambda_identity` .5 of the cycle's 10).
    """

    restores = True

    presets = {  # noqa: RUF012 - data
        preset: {
            "cycle_weight": 1.7,
            "cycle_noise": 0.05,
            "identity_weight": 0.0,
            "memory": 0,
            "rate": 4e-4,
            "critic_rate": 1e-3,
            "clip": 5.0,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: Networks,
        *,
        cycle: Literal["both", "forward", "backward"] = "both",
        one_way: bool = False,
        cycle_weight: float = 10.0,
        cycle_noise: float = 0.0,
        identity_weight: float = 5.0,
        memory: int = 50,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.forward_cycle, self.backward_cycle = one_way or cycle != "backward", not one_way and cycle != "forward"
        self.one_way, self.cycle_noise = one_way, cycle_noise
        self.G, self.F = net.generator("X", "Y"), net.generator("Y", "X")
        self.D_y, self.past_y = net.critic("Y"), Past(memory)
        if not one_way:
            self.D_x, self.past_x = net.critic("X"), Past(memory)
        self.players = {
            "generators": Player(("G", "F"), rate=rate, clip=clip),
            "critics": Player(("D_y",) if one_way else ("D_x", "D_y"), rate=critic_rate, clip=clip),
        }
        self.weights = {
            "adversarial": 1.0,
            "critics.adversarial": 0.5,
            "cycle": cycle_weight,
            "identity": identity_weight,
        }
        self.routes = (Route("X", "Y", ("G",)),) if one_way else (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The generators together, then the critics together."""
        x, y = batch["X"], batch["Y"]
        fake_y, same_y = self._transform(self.G, x, y)
        fake_x, same_x = (None, None) if self.one_way else self._transform(self.F, y, x)
        yield Turn(
            "generators",
            adversarial=total(fool(self.D_y(fake_y)), None if fake_x is None else fool(self.D_x(fake_x))),
            cycle=total(
                l1(self.F(self._noisy(fake_y)), x) if self.forward_cycle else None,
                None if fake_x is None or not self.backward_cycle else l1(self.G(self._noisy(fake_x)), y),
            ),
            identity=total(
                None if same_y is None else l1(same_y, y),
                None if same_x is None else l1(same_x, x),
            ),
        )
        spot_y = spot(*together(self.D_y, y, self.past_y(fake_y)))
        spot_x = None if fake_x is None else spot(*together(self.D_x, x, self.past_x(fake_x)))
        yield Turn("critics", adversarial=total(spot_y, spot_x))

    def _transform(self, generator: Role, given: Tensor, own: Tensor) -> tuple[Tensor, Tensor | None]:
        """The translation of `given`, and of `own` (an item of the target already) where the identity term needs it."""
        if not self.weights["identity"]:
            return generator(given), None
        fake, same = together(generator, given, own)
        return fake, same

    def _noisy(self, fake: Tensor) -> Tensor:
        return fake + self.cycle_noise * torch.randn_like(fake) if self.cycle_noise else fake

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out
