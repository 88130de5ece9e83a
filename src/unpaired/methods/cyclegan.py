"""CycleGAN: two generators that undo each other, each with a critic of its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Method, Move, Now, Past, Player, Route, Turn, both, noisy, spotted
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.networks.filling import hide
from unpaired.terms.adversarial import fool
from unpaired.terms.closeness import l1
from unpaired.terms.optional import maybe, total

TIES = {"cycle_weight": 1.7, "cycle_noise": 0.05, "identity_weight": 0.0, "memory": 0}
RATES = {"rate": 4e-4, "critic_rate": 1e-3, "clip": 5.0}  # what small budgets change of the paper's
VC = {"memory": 0, "identity_until": 0.025, "critic_rate": 1e-4}
SOUNDS = {"memory": 0, "cycle_weight": 2.0, "identity_weight": 0.0, "transport_weight": 5.0}


class CycleGAN(Method):
    """Zhu, Park, Isola, Efros 2017, arXiv:1703.10593.

    Eq. (1) with the least squares of sec. 4, eq. (2), eq. (3); identity term of sec. 5.2; memory of fakes of sec. 4.
    `cycle` "forward" or "backward" keeps half of eq. (2) (sec. 5.1.4), and all networks. `one_way` learns X to Y alone:
    one critic, and F only to hold G to its input.
    `cycle_noise` is the deviation of noise on a translation before it is reconstructed (Bashkirova et al. 2019,
    arXiv:1908.01517): what is hidden in faint patterns is lost in it. `guess_weight` (there 2) is that of a critic that
    sees an item and its reconstruction and guesses which is which. `clip` bounds each player's gradient norm.

    Voices: CycleGAN-VC (arXiv:1711.11293) has the identity term for 10^4 of 4x10^5 steps (`identity_until`, a share);
    VC2 (arXiv:1904.04631) adds critics of items and their reconstructions (`second_weight` 1); MaskCycleGAN-VC
    (arXiv:2102.12841) hides a span of up to the share `mask` (there .5) of an item's frames, for its generator to fill.
    `transport_weight` draws frames to where `Transport` brings them, else critics accept exchanged sounds.
    Differs: the identity term is on, as in the authors' code (.5 of the cycle's); the guess critic sees both orders.
    """

    restores = True
    defences = {"cycle_noise": 0.1, "guess_weight": 2.0}  # noqa: RUF012 - data
    idle = {"identity_until": ("identity_weight", 0.0), "cycle": ("one_way", True)}  # noqa: RUF012 - data
    presets = {preset: {**TIES, **RATES} for preset in ("small", "tiny")}  # noqa: RUF012 - data
    voice_presets = {"paper": VC, "small": SOUNDS | RATES, "tiny": SOUNDS | RATES}  # noqa: RUF012 - data

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
        identity_until: float = 1.0,
        second_weight: float = 0.0,
        transport_weight: float = 0.0,
        mask: float = 0.0,
        memory: int = 50,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.forward_cycle, self.backward_cycle = one_way or cycle != "backward", not one_way and cycle != "forward"
        self.cycle_noise, self.mask = cycle_noise, mask
        self.G, self.F = net.generator("X", "Y", mask=mask), net.generator("Y", "X", mask=mask)
        self.D_y, self.past_y = net.critic("Y"), Past(memory)
        self.D_x, self.past_x = None if one_way else net.critic("X"), Past(memory)
        self.D_xx = net.pair_critic("X") if guess_weight and self.forward_cycle else None
        self.D_yy = net.pair_critic("Y") if guess_weight and self.backward_cycle else None
        self.D_x2 = net.critic("X") if second_weight and self.forward_cycle else None
        self.D_y2 = net.critic("Y") if second_weight and self.backward_cycle else None
        self.to_y, self.to_x = (net.transport() if transport_weight and way else None for way in (True, not one_way))
        critics = tuple(sorted(role for role, _ in self.named_children() if role.startswith("D_")))
        learning = Player(critics, rate=critic_rate, clip=clip)
        self.players = {"generators": Player(("G", "F"), rate=rate, clip=clip), "critics": learning}
        self.weights = {"adversarial": 1.0, "critics.adversarial": 0.5, "cycle": cycle_weight}
        self.weights |= {"guess": guess_weight, "critics.guess": 0.5} if guess_weight else {}
        self.weights |= {"second": second_weight, "critics.second": 0.5} if second_weight else {}
        self.weights |= {"transport": transport_weight} if transport_weight else {}
        self.weights["identity"] = lambda now: identity_weight if now.share < identity_until else 0.0
        self.routes = (Route("X", "Y", ("G",)),) if one_way else (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The generators together, then the critics together."""
        x, y, identity = batch["X"], batch["Y"], self.weight("generators", "identity", now) > 0
        fake_y, same_y = both(self.G, hide(x, self.mask), y, identity)
        fake_x, same_x = both(self.F, hide(y, self.mask), x, identity) if self.D_x else (None, None)
        back_x = self.F(noisy(fake_y, self.cycle_noise)) if self.forward_cycle else None
        back_y = self.G(noisy(fake_x, self.cycle_noise)) if self.backward_cycle and fake_x is not None else None
        yield Turn(
            "generators",
            adversarial=total(fool(self.D_y(fake_y)), maybe(fool, maybe(self.D_x, fake_x))),
            cycle=total(maybe(l1, back_x, x), maybe(l1, back_y, y)),
            transport=total(maybe(self.to_y, fake_y, x, y), maybe(self.to_x, fake_x, y, x)),
            identity=total(maybe(l1, same_y, y), maybe(l1, same_x, x)),
            guess=total(maybe(guess, self.D_xx, back_x, x), maybe(guess, self.D_yy, back_y, y)),
            second=total(maybe(fool, maybe(self.D_x2, back_x)), maybe(fool, maybe(self.D_y2, back_y))),
        )
        yield Turn(
            "critics",
            adversarial=total(
                spotted(self.D_y, y, self.past_y(fake_y)), maybe(spotted, self.D_x, x, maybe(self.past_x, fake_x))
            ),
            guess=total(maybe(guess, self.D_xx, x, back_x), maybe(guess, self.D_yy, y, back_y)),
            second=total(maybe(spotted, self.D_x2, x, back_x), maybe(spotted, self.D_y2, y, back_y)),
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y, F from Y to X."""
        return (self.G if target == "Y" else self.F)(x)  # type: ignore[no-any-return]


def guess(critic: Role, first: Tensor, second: Tensor) -> Tensor:
    """Small where `critic` says real of the pair in this order and fake of the other."""
    return spotted(critic, torch.cat((first, second), 1), torch.cat((second, first), 1))
