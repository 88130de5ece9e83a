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

TIES = {"cycle_weight": 1.7, "cycle_noise": 0.05, "identity_weight": 0.0, "memory": 0}
RATES = {"rate": 4e-4, "critic_rate": 1e-3, "clip": 5.0}
"""What small budgets change of the paper's."""


class CycleGAN(Method):
    """Zhu, Park, Isola, Efros 2017, arXiv:1703.10593.

    Eq. (1) with the least squares of sec. 4, eq. (2), eq. (3); identity term of sec. 5.2; memory of fakes of sec. 4.
    `cycle` "forward" or "backward" keeps half of eq. (2) (the ablation of sec. 5.1.4), with both generators and both
    critics. `one_way` learns X to Y alone: one critic, and F only to hold G to its input.

    `cycle_noise` is the deviation of noise on a translation before it is reconstructed (Bashkirova et al. 2019,
    arXiv:1908.01517): what is hidden in faint patterns is lost in it. `guess_weight` (there 2) is that of a critic that
    sees an item and its reconstruction and guesses which is which. 0 is CycleGAN's for both. `clip` bounds the norm of
    each player's gradient, which un-normed critics need; None is the paper's.

    Differs: the identity term is on by default, as in the authors' code (`lambda_identity` .5 of the cycle's 10). The
    guess critic sees every pair in both orders: what a random order gives in the mean.
    """

    restores = True
    defences = {"cycle_noise": 0.1, "guess_weight": 2.0}  # noqa: RUF012 - data
    presets = {preset: {**TIES, **RATES} for preset in ("small", "tiny")}  # noqa: RUF012 - data

    def __init__(
        self,
        net: Networks,
        *,
        cycle: Literal["both", "forward", "backward"] = "both",
        one_way: bool = False,
        cycle_weight: float = 10.0,
        cycle_noise: float = 0.0,
        guess_weight: float = 0.0,
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
        self.D_xx = net.pair_critic("X") if guess_weight and self.forward_cycle else None
        self.D_yy = net.pair_critic("Y") if guess_weight and self.backward_cycle else None
        critics = sorted(role for role, _ in self.named_children() if role.startswith("D_"))
        self.players = {
            "generators": Player(("G", "F"), rate=rate, clip=clip),
            "critics": Player(tuple(critics), rate=critic_rate, clip=clip),
        }
        guessing = {"guess": guess_weight, "critics.guess": 0.5} if guess_weight else {}
        ties = {"cycle": cycle_weight, "identity": identity_weight}
        self.weights = {"adversarial": 1.0, "critics.adversarial": 0.5, **ties, **guessing}
        self.routes = (Route("X", "Y", ("G",)),) if one_way else (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The generators together, then the critics together."""
        x, y = batch["X"], batch["Y"]
        fake_y, same_y = self._transform(self.G, x, y)
        fake_x, same_x = (None, None) if self.one_way else self._transform(self.F, y, x)
        adversarial = total(fool(self.D_y(fake_y)), None if fake_x is None else fool(self.D_x(fake_x)))
        back_x = self.F(self._noisy(fake_y)) if self.forward_cycle else None
        back_y = None if fake_x is None or not self.backward_cycle else self.G(self._noisy(fake_x))
        yield Turn(
            "generators",
            adversarial=adversarial,
            cycle=total(near(back_x, x), near(back_y, y)),
            identity=total(near(same_y, y), near(same_x, x)),
            guess=total(guess(self.D_xx, back_x, x), guess(self.D_yy, back_y, y)),
        )
        spot_y = spot(*together(self.D_y, y, self.past_y(fake_y)))
        spot_x = None if fake_x is None else spot(*together(self.D_x, x, self.past_x(fake_x)))
        guessed = total(guess(self.D_xx, x, back_x), guess(self.D_yy, y, back_y))
        yield Turn("critics", adversarial=total(spot_y, spot_x), guess=guessed)

    def _transform(self, generator: Role, given: Tensor, own: Tensor) -> tuple[Tensor, Tensor | None]:
        """The translation of `given`, and of `own` (an item of the target already) where the identity term needs it."""
        if not self.weights["identity"]:
            return generator(given), None
        return together(generator, given, own)

    def _noisy(self, fake: Tensor) -> Tensor:
        return fake + self.cycle_noise * torch.randn_like(fake) if self.cycle_noise else fake

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out


def near(made: Tensor | None, x: Tensor) -> Tensor | None:
    """The L1 distance to `x` of what is made where it is made."""
    return None if made is None else l1(made, x)


def guess(critic: Role | None, first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Small where `critic` says real of the pair in this order and fake of the other; None without a critic."""
    if critic is None or first is None or second is None:
        return None
    return spot(*together(critic, torch.cat((first, second), 1), torch.cat((second, first), 1)))
