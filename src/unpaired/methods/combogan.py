"""ComboGAN: an encoder, a decoder and a critic per domain, tied by the cycle through any two of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor

from unpaired.labels import Draws
from unpaired.methods.game import Batch, Move, Now, Past, Player, Route, Turn, still
from unpaired.methods.kinds import Coding
from unpaired.networks import Networks
from unpaired.terms.adversarial import fool, spot
from unpaired.terms.closeness import l1, smooth_l1


class ComboGAN(Coding):
    """Anoosheh, Agustsson, Timofte, Van Gool 2017, arXiv:1712.06909: sec. 3, CycleGAN's losses between two domains.

    Each step trains on two domains, drawn at random. The cycle (and the identity term: decoding what was encoded in the
    same domain) is smooth L1, as in the authors' code. `latent_weight` asks that a translation's code is that of its
    input, an option of theirs. A memory of fakes for each domain.

    `transport_weight` as in CycleGAN, of voices.

    `clip` bounds the norm of each player's gradient; None is the paper's.
    """

    restores = True
    draws: ClassVar[Draws] = "pair"

    presets = {  # noqa: RUF012 - data
        preset: {
            "cycle_weight": 5.0,
            "identity_weight": 5.0,
            "memory": 0,
            "rate": 4e-4,
            "critic_rate": 1e-3,
            "clip": 5.0,
        }
        for preset in ("small", "tiny")
    }
    voice_presets = {p: {**s, "transport_weight": 5.0} for p, s in presets.items()}  # noqa: RUF012

    def __init__(
        self,
        net: Networks,
        *,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.0,
        latent_weight: float = 0.0,
        transport_weight: float = 0.0,
        memory: int = 50,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.domains = tuple(net.domains)
        for key in self.domains:
            self.add_module(f"E_{key}", net.encoder(key))
            self.add_module(f"G_{key}", net.decoder(key))
            self.add_module(f"D_{key}", net.critic(key))
            self.add_module(f"past_{key}", Past(memory))
            self.add_module(f"to_{key}", net.transport(given=0.5) if transport_weight else None)
        coders = tuple(f"{half}_{key}" for key in self.domains for half in "EG")
        self.players = {
            "coders": Player(coders, rate=rate, clip=clip),
            "critics": Player(tuple(f"D_{key}" for key in self.domains), rate=critic_rate, clip=clip),
        }
        self.weights = {"adversarial": 1.0, "critics.adversarial": 0.5, "cycle": cycle_weight}
        self.weights |= {"identity": identity_weight} if identity_weight else {}
        self.weights |= {"latent": latent_weight} if latent_weight else {}
        self.weights |= {"transport": transport_weight} if transport_weight else {}
        pairs = [(a, b) for a in self.domains for b in self.domains if a != b]
        self.routes = tuple(Route(a, b, (f"E_{a}", f"G_{b}")) for a, b in pairs)

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The coders of the two domains that were drawn, then their critics."""
        (a, x), (b, y) = batch.items()
        code_x, code_y = self.encode(x, a), self.encode(y, b)
        fake_y, fake_x = self.decode(code_x, b), self.decode(code_y, a)
        back_x, back_y = self.encode(fake_y, b), self.encode(fake_x, a)
        d_x, d_y = self.get_submodule(f"D_{a}"), self.get_submodule(f"D_{b}")
        yield Turn(
            "coders",
            adversarial=fool(d_y(fake_y)) + fool(d_x(fake_x)),
            cycle=smooth_l1(self.decode(back_x, a), x) + smooth_l1(self.decode(back_y, b), y),
            identity=smooth_l1(self.decode(code_x, a), x) + smooth_l1(self.decode(code_y, b), y)
            if "identity" in self.weights
            else None,
            latent=l1(back_x, still(code_x)) + l1(back_y, still(code_y)) if "latent" in self.weights else None,
            transport=self.get_submodule(f"to_{a}")(fake_x, y, x) + self.get_submodule(f"to_{b}")(fake_y, x, y)
            if "transport" in self.weights
            else None,
        )
        past_x, past_y = self.get_submodule(f"past_{a}")(fake_x), self.get_submodule(f"past_{b}")(fake_y)
        yield Turn("critics", adversarial=spot(d_x(x), d_x(past_x)) + spot(d_y(y), d_y(past_y)))

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """The code of `x`, an item of `domain`."""
        out: Tensor = self.get_submodule(f"E_{domain}")(x)
        return out

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The item of `domain` that the code is of."""
        out: Tensor = self.get_submodule(f"G_{domain}")(code)
        return out
