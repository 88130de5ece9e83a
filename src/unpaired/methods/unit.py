"""UNIT: two variational auto-encoders whose codes live in one space, tied by shared layers and the cycle."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from unpaired.methods.game import Batch, Move, Now, Player, Route, Turn, spotted, together
from unpaired.methods.kinds import Coding
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.terms.adversarial import Kind, fool
from unpaired.terms.closeness import l1
from unpaired.terms.prior import unit_normal


class UNIT(Coding):
    """Liu, Breuel, Kautz 2017, arXiv:1703.00848: eq. (2)-(4) and (10)-(12), the variance of the codes fixed.

    An encoder and a decoder per domain; the encoders' last residual block and the decoders' first are one module each.
    The reconstruction likelihood is Laplacian (L1), as in the paper's sec. 5. Weights are the authors' code's.
    `deviation` is that of the codes, one in the paper; small beside a picture where coders begin at the identity.
    `transport_weight` as in CycleGAN, of voices. `clip` bounds the norm of each player's gradient; None is the paper's.

    Differs: the critics share no layers.
    """

    restores = True

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial": "lsgan",
            "reconstruction_weight": 30.0,
            "cycle_weight": 20.0,
            "rate": 4e-4,
            "critic_rate": 1e-3,
            "clip": 5.0,
            "deviation": 0.03,
        }
        for preset in ("small", "tiny")
    }
    voice_presets = {p: {**s, "deviation": 1.0, "transport_weight": 50.0} for p, s in presets.items()}  # noqa: RUF012

    def __init__(
        self,
        net: Networks,
        *,
        adversarial: Kind = "bce",
        adversarial_weight: float = 10.0,
        reconstruction_weight: float = 100.0,
        prior_weight: float = 0.1,
        cycle_weight: float = 100.0,
        cycle_prior_weight: float = 0.1,
        transport_weight: float = 0.0,
        deviation: float = 1.0,
        rate: float = 1e-4,
        critic_rate: float = 1e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.kind: Kind = adversarial
        self.deviation = deviation
        last, first = net.shared(), net.shared()
        self.E_x, self.E_y = Role(net.encoder("X"), last), Role(net.encoder("Y"), last)
        self.G_x, self.G_y = Role(first, net.decoder("X")), Role(first, net.decoder("Y"))
        self.D_x, self.D_y = net.critic("X"), net.critic("Y")
        self.transport = nn.ModuleList(net.transport(given=0.5) for _ in range(2 * (transport_weight > 0)))
        self.players = {
            "coders": Player(("E_x", "E_y", "G_x", "G_y"), rate=rate, clip=clip),
            "critics": Player(("D_x", "D_y"), rate=critic_rate, clip=clip),
        }
        self.weights = {
            "adversarial": adversarial_weight,
            "reconstruction": reconstruction_weight,
            "prior": prior_weight,
            "cycle": cycle_weight,
            "cycle_prior": cycle_prior_weight,
            "critics.adversarial": adversarial_weight,
        }
        self.weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The coders of both domains together, then the critics together."""
        x, y = batch["X"], batch["Y"]
        code_x, code_y = self.E_x(x), self.E_y(y)
        z_x, z_y = self.sample(code_x), self.sample(code_y)
        same_x, fake_x = together(self.G_x, z_x, z_y)
        same_y, fake_y = together(self.G_y, z_y, z_x)
        back_x, back_y = self.E_y(fake_y), self.E_x(fake_x)
        yield Turn(
            "coders",
            adversarial=fool(self.D_x(fake_x), self.kind) + fool(self.D_y(fake_y), self.kind),
            reconstruction=l1(same_x, x) + l1(same_y, y),
            prior=unit_normal(code_x) + unit_normal(code_y),
            cycle=l1(self.G_x(self.sample(back_x)), x) + l1(self.G_y(self.sample(back_y)), y),
            cycle_prior=unit_normal(back_x) + unit_normal(back_y),
            transport=self.transport[0](fake_x, y, x) + self.transport[1](fake_y, x, y) if self.transport else None,
        )
        yield Turn(
            "critics",
            adversarial=spotted(self.D_x, x, fake_x, self.kind) + spotted(self.D_y, y, fake_y, self.kind),
        )

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """The mean of the code."""
        code: Tensor = (self.E_x if domain == "X" else self.E_y)(x)
        return code

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The domain's decoder."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(code)
        return y

    def sample(self, mean: Tensor) -> Tensor:
        """A code from N(mean, deviation^2 I): the reparametrised draw of a variational auto-encoder."""
        return mean + self.deviation * torch.randn_like(mean)
