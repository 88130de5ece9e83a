"""VAE-GAN: a variational auto-encoder per domain that measures likeness by what its critic sees. Nothing ties them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Move, Now, Player, Route, Turn, together
from unpaired.methods.kinds import Coding, Sampling
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.terms.adversarial import Kind, fool, spot
from unpaired.terms.closeness import l1, squared
from unpaired.terms.prior import normal

RATES = {"rate": 4e-4, "critic_rate": 4e-4, "clip": 5.0}


class VAEGAN(Coding, Sampling):
    """Larsen, Sonderby, Larochelle, Winther 2016, arXiv:1512.09300: algorithm 1, once per domain.

    Translating takes one domain's encoder and the other's decoder. Their codes are unrelated, so it is the baseline
    that shows why a common space needs a tie. The critics judge items, reconstructions and decoded draws from the prior
    (eq. 5); likeness is that of the activations of their layer number `layer` (eq. 7; counted through the views of a
    light critic). As in the authors' code both kinds of fakes together weigh as much as real items. Terms are means:
    `gamma` (eq. 9) is the authors' 1e-6 on the sum over 256 x 8 x 8 activations, `prior_weight` 128 codes to those.

    `pixel_weight` adds the L1 distance to encoders and decoders; 0 is the paper's. `clip` bounds the norm of each
    player's gradient; None is the paper's.

    Differs: the decoders' adversarial term is non-saturating; no player waits for another to catch up.
    """

    presets = {  # noqa: RUF012 - data
        preset: {"optimizer": "adam", "adversarial": "lsgan", "gamma": 1.0, "pixel_weight": 10.0, **RATES}
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: Networks,
        *,
        codes: int = 128,
        layer: int = 3,
        adversarial: Kind = "bce",
        gamma: float = 0.016,
        prior_weight: float = 0.008,
        pixel_weight: float = 0.0,
        optimizer: Literal["adam", "rmsprop"] = "rmsprop",
        rate: float = 3e-4,
        critic_rate: float = 3e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.codes, self.layer, self.kind = codes, layer, adversarial
        self.E_x, self.E_y = net.fold("X", 2 * codes), net.fold("Y", 2 * codes)
        self.G_x, self.G_y = Role(net.unfold(codes), net.paint("X")), Role(net.unfold(codes), net.paint("Y"))
        self.D_x, self.D_y = net.critic("X"), net.critic("Y")
        self.players = {
            "encoders": Player(("E_x", "E_y"), rate, optimizer, clip=clip),
            "decoders": Player(("G_x", "G_y"), rate, optimizer, clip=clip),
            "critics": Player(("D_x", "D_y"), critic_rate, optimizer, clip=clip),
        }
        self.weights = {
            "adversarial": 1.0,
            "prior": prior_weight,
            "reconstruction": 1.0,
            "decoders.reconstruction": gamma,
            "pixel": pixel_weight,
        }
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """All three players of both domains at once, from one forward pass."""
        x = self._domain(batch["X"], self.E_x, self.G_x, self.D_x)
        y = self._domain(batch["Y"], self.E_y, self.G_y, self.D_y)
        term = {name: x[name] + y[name] for name in x}
        likeness = {"reconstruction": term["reconstruction"], "pixel": term["pixel"]}
        yield [
            Turn("encoders", prior=term["prior"], **likeness),
            Turn("decoders", adversarial=term["fool"], **likeness),
            Turn("critics", adversarial=term["spot"]),
        ]

    def _domain(self, x: Tensor, encoder: Role, decoder: Role, critic: Role) -> dict[str, Tensor]:
        mean, log_variance = encoder(x).chunk(2, dim=1)
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        same, new = together(decoder, code, torch.randn_like(mean))
        (real, seen), (like, seen_same), (made, _) = critic.look(x, same, new)
        layer = min(self.layer, len(seen)) - 1
        fake = torch.cat((like, made))
        return {
            "prior": normal(mean, log_variance),
            "reconstruction": squared(seen[layer], seen_same[layer]),
            "pixel": l1(same, x),
            "fool": fool(fake, self.kind),
            "spot": spot(real, fake, self.kind),
        }

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """The mean of the code (B, codes)."""
        mean: Tensor = (self.E_x if domain == "X" else self.E_y)(x)[:, : self.codes]
        return mean

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The domain's decoder, at the trained size."""
        y: Tensor = (self.G_x if domain == "X" else self.G_y)(code)
        return y

    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draws from the prior, each decoded in both domains, which have nothing to do with each other."""
        code = torch.randn(count, self.codes, generator=generator).to(next(self.parameters()))
        return {domain: self.decode(code, domain) for domain in "XY"}
